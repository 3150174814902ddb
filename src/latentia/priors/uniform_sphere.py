"""The uniform prior on the unit sphere."""

import torch
from torch import Tensor

from latentia.distributions import HypersphericalUniform
from latentia.priors.base import Prior
from latentia.shapes import PositiveInt


class UniformSphere(Prior):
    """Every direction of ``latent_dim`` dimensions alike; for posteriors on the sphere."""

    density_is_exact = True
    zero: Tensor

    def __init__(self, latent_dim: PositiveInt) -> None:
        """Take the number of dimensions."""
        super().__init__()
        self.register_buffer("zero", torch.zeros(latent_dim), persistent=False)

    def forward(self) -> HypersphericalUniform:
        """Return the prior."""
        return HypersphericalUniform(self.zero)
