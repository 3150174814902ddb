"""A prior that is fitted to the aggregate posterior while both are trained."""

import torch
from torch import nn

from latentia.distributions import DiagonalGaussian, GaussianMixture
from latentia.priors.base import Prior
from latentia.shapes import PositiveInt


class LearnedMixture(Prior):
    r"""An equal mixture of ``K`` diagonal Gaussians, :math:`p(z) = \tfrac1K \sum_k N(z; \mu_k, \sigma_k^2)`.

    The ELBO is highest for the prior that is the aggregate posterior; a fixed one pays
    :math:`\mathrm{KL}(q(z) \| p(z))` in every bound. The components begin scattered so that together they have about
    the moments of a standard normal. The KL of a posterior has no closed form: its entropy has, the rest is that of
    draws.

    Args:
        latent_dim: Dimensions of a code, ``D``.
        components: ``K``.

    Source: Tomczak and Welling, VAE with a VampPrior, 2018, sections 2 and 4 (the mixture of Gaussians).
    """

    density_is_exact = True
    SPREAD = 0.25
    """Variance of the first means; the components have the rest of 1."""

    def __init__(self, latent_dim: PositiveInt, components: PositiveInt = 128) -> None:
        """Take the sizes."""
        super().__init__()
        self.mean = nn.Parameter(self.SPREAD**0.5 * torch.randn(components, latent_dim))
        self.log_variance = nn.Parameter(torch.full((components, latent_dim), 1 - self.SPREAD).log())

    def forward(self) -> GaussianMixture:
        """Return the prior."""
        return GaussianMixture(DiagonalGaussian(self.mean, self.log_variance))
