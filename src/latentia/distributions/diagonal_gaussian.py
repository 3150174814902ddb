"""The Gaussian with a diagonal covariance, in terms of its log-variance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl

from latentia.distributions.base import CodeDistribution, straight_path
from latentia.functional.aggregate import gaussian_component_log_prob
from latentia.functional.divergence import gaussian_kl


class DiagonalGaussian(CodeDistribution):
    r"""Independent Gaussians :math:`\prod_i N(z_i; \mu_i, \sigma_i^2)` over ``D`` dimensions.

    Args:
        mean: Shape ``[*rows, D]``.
        log_variance: :math:`\log \sigma^2`, of the same shape.

    >>> gaussian = DiagonalGaussian(torch.zeros(3, 2), torch.zeros(3, 2))
    >>> gaussian.batch_shape, gaussian.event_shape
    (torch.Size([3]), torch.Size([2]))
    """

    has_rsample = True
    arg_constraints = {"mean": constraints.real_vector, "log_variance": constraints.real_vector}  # noqa: RUF012
    support = constraints.real_vector

    def __init__(self, mean: Float[Tensor, "*rows D"], log_variance: Float[Tensor, "*rows D"]) -> None:
        """Keep the parameters; they are not checked here, because a check reads them back from the device."""
        self.location = mean
        self.log_variance = log_variance
        super().__init__(mean.shape[:-1], mean.shape[-1:], validate_args=False)

    path = staticmethod(straight_path)

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Mean and log-variance."""
        return self.location, self.log_variance

    @property
    def centre(self) -> Float[Tensor, "*rows D"]:
        """The mean."""
        return self.location

    @property
    def mean(self) -> Float[Tensor, "*rows D"]:
        """The mean."""
        return self.location

    @property
    def stddev(self) -> Float[Tensor, "*rows D"]:
        """The standard deviation of each dimension."""
        return (0.5 * self.log_variance).exp()

    @property
    def variance(self) -> Float[Tensor, "*rows D"]:
        """The variance of each dimension."""
        return self.log_variance.exp()

    def with_parameters(self, *parameters: Tensor) -> DiagonalGaussian:
        """Return a distribution of this kind with other parameters."""
        return DiagonalGaussian(*parameters)

    def widened(self, spread: float) -> DiagonalGaussian:
        """Multiply the standard deviations."""
        return DiagonalGaussian(self.location, self.log_variance + 2 * math.log(spread))

    def expand(self, batch_shape: Sequence[int], _instance: Distribution | None = None) -> DiagonalGaussian:
        """Repeat the distribution over new leading axes without copying."""
        shape = torch.Size(batch_shape) + self.event_shape
        return DiagonalGaussian(self.location.expand(shape), self.log_variance.expand(shape))

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Float[Tensor, "*samples D"]:
        r"""Draw :math:`z = \mu + \sigma \epsilon` with gradients to both parameters."""
        noise = torch.randn(
            self._extended_shape(torch.Size(sample_shape)), dtype=self.location.dtype, device=self.location.device
        )
        return self.location + self.stddev * noise

    def log_prob(self, value: Float[Tensor, "*samples D"]) -> Float[Tensor, " *rows"]:
        """Log-density of each row, in nats."""
        return self.log_prob_per_dimension(value).sum(dim=-1)

    def log_prob_per_dimension(self, value: Float[Tensor, "*samples D"]) -> Float[Tensor, "*rows D"]:
        """Log-density of each dimension on its own, in nats."""
        scaled = (value - self.location) * (-0.5 * self.log_variance).exp()
        return -0.5 * (scaled.square() + self.log_variance + math.log(2 * math.pi))

    def component_log_prob(self, codes: Float64[Tensor, "P D"]) -> Float64[Tensor, "P N"]:
        """Log-density of each code under each of ``N`` rows, in nats."""
        return gaussian_component_log_prob(codes, self.location, self.log_variance)

    def entropy(self) -> Float[Tensor, " *rows"]:
        r"""Differential entropy :math:`\tfrac12 \sum_i (1 + \log 2 \pi \sigma_i^2)`, in nats."""
        return 0.5 * (1 + math.log(2 * math.pi) + self.log_variance).sum(dim=-1)


def kl_per_dimension(posterior: DiagonalGaussian, prior: DiagonalGaussian) -> Float[Tensor, "*rows D"]:
    """KL divergence of each dimension, in nats; see :func:`latentia.functional.divergence.gaussian_kl`."""
    return gaussian_kl(posterior.location, posterior.log_variance, prior.location, prior.log_variance)


@register_kl(DiagonalGaussian, DiagonalGaussian)
def _kl_gaussian_gaussian(posterior: DiagonalGaussian, prior: DiagonalGaussian) -> Tensor:
    return kl_per_dimension(posterior, prior).sum(dim=-1)
