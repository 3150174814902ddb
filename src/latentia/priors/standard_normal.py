"""The standard normal prior."""

import torch
from torch import Tensor

from latentia.distributions import DiagonalGaussian
from latentia.priors.base import Prior
from latentia.shapes import PositiveInt


class StandardNormal(Prior):
    r""":math:`p(z) = N(0, I)` over ``latent_dim`` dimensions."""

    density_is_exact = True
    zero: Tensor

    def __init__(self, latent_dim: PositiveInt) -> None:
        """Take the number of dimensions."""
        super().__init__()
        self.register_buffer("zero", torch.zeros(latent_dim), persistent=False)

    def forward(self) -> DiagonalGaussian:
        """Return the prior."""
        return DiagonalGaussian(self.zero, self.zero)
