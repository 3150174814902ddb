"""An equal mixture of diagonal Gaussians, for priors that are learned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.distributions import constraints

from latentia.distributions.base import CodeDistribution, straight_path
from latentia.distributions.diagonal_gaussian import DiagonalGaussian


class GaussianMixture(CodeDistribution):
    r"""One distribution, :math:`p(z) = \tfrac1K \sum_k N(z; \mu_k, \mathrm{diag}(\sigma_k^2))`, batch shape empty.

    Args:
        components: The ``K`` Gaussians, one a row.
    """

    has_rsample = False
    arg_constraints = {}  # noqa: RUF012
    support = constraints.real_vector
    path = staticmethod(straight_path)

    def __init__(self, components: DiagonalGaussian) -> None:
        """Take the components."""
        self.components = components
        super().__init__(torch.Size(), components.event_shape, validate_args=False)

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Means and log-variances of the components."""
        return self.components.parameters

    @property
    def centre(self) -> Float[Tensor, " D"]:
        """The mean."""
        return self.mean

    @property
    def mean(self) -> Float[Tensor, " D"]:
        """The mean."""
        return self.components.mean.mean(dim=0)

    @property
    def variance(self) -> Float[Tensor, " D"]:
        """Variance of each dimension: that within the components and that of their means."""
        return self.components.variance.mean(dim=0) + self.components.mean.var(dim=0, unbiased=False)

    def with_parameters(self, *parameters: Tensor) -> GaussianMixture:
        """Return a mixture of other components."""
        return GaussianMixture(DiagonalGaussian(*parameters))

    def widened(self, spread: float) -> GaussianMixture:
        """Multiply the standard deviations of the components; the means stay."""
        return GaussianMixture(self.components.widened(spread))

    def sample(self, sample_shape: Sequence[int] = torch.Size()) -> Float[Tensor, "*samples D"]:
        """Draw a component for each code, and the code from it; without gradients."""
        mean, log_variance = self.parameters
        index = torch.randint(len(mean), tuple(sample_shape), device=mean.device)
        with torch.no_grad():
            return DiagonalGaussian(mean[index], log_variance[index]).sample()

    def log_prob(self, value: Float[Tensor, "*samples D"]) -> Float[Tensor, "*samples"]:
        """Log-density in nats, with gradients to the components."""
        flat = value.double().reshape(-1, self.event_shape[0])
        return self.component_log_prob(flat)[:, 0].view(value.shape[:-1]).to(value.dtype)

    def component_log_prob(self, codes: Float64[Tensor, "P D"]) -> Float64[Tensor, "P 1"]:
        """Log-density of each code, in nats: the mixture is one row."""
        each = self.components.component_log_prob(codes)
        return each.logsumexp(dim=1, keepdim=True) - math.log(each.shape[1])
