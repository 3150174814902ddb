"""The first-order autoregressive prior of the sequential delta-VAE."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentia.distributions import AutoregressiveGaussian, DiagonalGaussian
from latentia.priors.base import StepwisePrior
from latentia.shapes import PositiveInt, ShareBelowOne


class AutoregressiveNormal(StepwisePrior):
    r""":math:`z_1 \sim N(0, I)`, :math:`z_t \sim N(a z_{t-1}, (1 - a^2) I)`: each step alone is standard normal.

    A posterior of independent steps cannot follow it, and pays at least
    :func:`~latentia.functional.autoregression.committed_rate` nats a channel, whatever it says of ``x``.

    Args:
        latent_dim: Channels, ``D``.
        correlation: ``a``, of neighbouring steps; ``correlation_of_rate`` finds that of a target rate.

    Source: Razavi et al., Preventing Posterior Collapse with delta-VAEs, 2019, section 2.2.
    """

    density_is_exact = True
    zero: Tensor

    def __init__(self, latent_dim: PositiveInt, correlation: ShareBelowOne = 0.76) -> None:
        """Take the number of channels and their correlation."""
        super().__init__()
        self.latent_dim, self.correlation = latent_dim, correlation
        self.register_buffer("zero", torch.zeros(latent_dim), persistent=False)

    def forward(self, mask: Bool[Tensor, "B T"]) -> AutoregressiveGaussian:
        """Return the prior of sequences that have the steps where the mask holds."""
        return AutoregressiveGaussian(self.correlation, mask, self.latent_dim)

    def of_a_step(self) -> DiagonalGaussian:
        """Return the standard normal."""
        return DiagonalGaussian(self.zero, self.zero)

    def continued(
        self, codes: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"], steps: int
    ) -> Float[Tensor, "B steps D"]:
        r"""Return so many steps, those after the last ``T`` at their means :math:`a^{t - T} z_T`."""
        place, last = torch.arange(steps, device=mask.device), mask.sum(dim=1, keepdim=True) - 1
        known = torch.minimum(place, last)
        share = self.correlation ** (place - known).to(codes.dtype)
        return codes.gather(1, known[..., None].expand(-1, -1, codes.shape[-1])) * share[..., None]
