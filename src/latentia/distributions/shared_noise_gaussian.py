"""The Gaussian of a linear map of noise, whose covariance all examples share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.distributions import constraints, register_kl

from latentia.distributions.base import CodeDistribution, straight_path
from latentia.distributions.diagonal_gaussian import DiagonalGaussian

JITTER = 1e-6
"""Variance added to every dimension, so that a map of low rank still has a density."""


class SharedNoiseGaussian(CodeDistribution):
    r"""Codes :math:`z = \mu + W \epsilon + \sqrt{\delta} \, \epsilon'`, that is :math:`N(\mu, W W^T + \delta I)`.

    Args:
        mean: Shape ``[*rows, D]``.
        noise_map: ``W``, shape ``[D, E]``, the same for all rows.
    """

    has_rsample = True
    arg_constraints = {"mean": constraints.real_vector}  # noqa: RUF012
    support = constraints.real_vector
    path = staticmethod(straight_path)

    def __init__(self, mean: Float[Tensor, "*rows D"], noise_map: Float[Tensor, "D E"]) -> None:
        """Keep the parameters; they are not checked here, because a check reads them back from the device."""
        self.location, self.noise_map = mean, noise_map
        super().__init__(mean.shape[:-1], mean.shape[-1:], validate_args=False)

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """The means; the map belongs to no row."""
        return (self.location,)

    @property
    def centre(self) -> Float[Tensor, "*rows D"]:
        """The mean."""
        return self.location

    @property
    def mean(self) -> Float[Tensor, "*rows D"]:
        """The mean."""
        return self.location

    @property
    def covariance(self) -> Float64[Tensor, "D D"]:
        """Covariance of every row; in float32 the rounding of a map of low rank would exceed what is added."""
        noise_map = self.noise_map.double()
        with torch.autocast(noise_map.device.type, enabled=False):
            square = noise_map @ noise_map.T
        return square + JITTER * torch.eye(len(square), dtype=square.dtype, device=square.device)

    @property
    def marginals(self) -> DiagonalGaussian:
        """The distribution of single dimensions."""
        return DiagonalGaussian(
            self.location, self.covariance.diagonal().log().to(self.location).expand_as(self.location)
        )

    def with_parameters(self, *parameters: Tensor) -> SharedNoiseGaussian:
        """Return a distribution with other means."""
        (mean,) = parameters
        return SharedNoiseGaussian(mean, self.noise_map)

    def widened(self, spread: float) -> SharedNoiseGaussian:
        """Multiply the map of the noise."""
        return SharedNoiseGaussian(self.location, self.noise_map * spread)

    def expand(self, batch_shape: Sequence[int], _instance: object = None) -> SharedNoiseGaussian:
        """Repeat the distribution over new leading axes without copying."""
        return self.with_parameters(self.location.expand(torch.Size(batch_shape) + self.event_shape))

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Float[Tensor, "*samples D"]:
        """Draw codes with gradients to mean and map."""
        shape = self._extended_shape(torch.Size(sample_shape))
        noise = torch.randn_like(self.noise_map[:1].expand(shape[:-1].numel(), -1))
        with torch.autocast(noise.device.type, enabled=False):
            mapped = noise @ self.noise_map.T
        drawn: Tensor = self.location + mapped.view(shape)
        return drawn + math.sqrt(JITTER) * torch.randn_like(drawn)

    def log_prob(self, value: Float[Tensor, "*samples D"]) -> Float[Tensor, "*rows"]:
        """Log-density of each row, in nats."""
        factor, half_log_determinant = self._factor()
        white = self._whiten(value.double() - self.location.double(), factor)
        return (-0.5 * white.square().sum(dim=-1) - half_log_determinant - self._constant).to(value.dtype)

    def component_log_prob(self, codes: Float64[Tensor, "P D"]) -> Float64[Tensor, "P N"]:
        """Log-density of each code under each of ``N`` rows, in nats."""
        factor, half_log_determinant = self._factor()
        distance = torch.cdist(self._whiten(codes, factor), self._whiten(self.location.double(), factor))
        return -0.5 * distance.square() - half_log_determinant - self._constant

    def entropy(self) -> Float[Tensor, "*rows"]:
        """Differential entropy in nats."""
        entropy = self._factor()[1] + self._constant + 0.5 * self.event_shape[0]
        return entropy.to(self.location.dtype).expand(self.batch_shape)

    @property
    def _constant(self) -> float:
        return 0.5 * self.event_shape[0] * math.log(2 * math.pi)

    def _factor(self) -> tuple[Float64[Tensor, "D D"], Float64[Tensor, ""]]:
        """Cholesky factor of the covariance and half the log of its determinant."""
        factor = torch.linalg.cholesky(self.covariance)
        return factor, factor.diagonal().log().sum()

    def _whiten(self, difference: Float64[Tensor, "*rows D"], factor: Float64[Tensor, "D D"]) -> Tensor:
        flat = difference.flatten(0, -2) if difference.ndim > 1 else difference[None]
        white: Tensor = torch.linalg.solve_triangular(factor, flat.T, upper=False)
        return white.T.reshape(difference.shape)


@register_kl(SharedNoiseGaussian, DiagonalGaussian)
def _kl_shared_noise_diagonal(posterior: SharedNoiseGaussian, prior: DiagonalGaussian) -> Tensor:
    r""":math:`\tfrac12 (\mathrm{tr}(V^{-1} S) + (\mu - m)^T V^{-1} (\mu - m) - D - \log \det S + \log \det V)`."""
    precision = (-prior.log_variance.double()).exp()
    spread = (posterior.covariance.diagonal() * precision).sum(dim=-1)
    shift = ((posterior.location.double() - prior.location.double()).square() * precision).sum(dim=-1)
    log_determinants = prior.log_variance.double().sum(dim=-1) - 2 * posterior._factor()[1]  # noqa: SLF001
    divergence = 0.5 * (spread + shift - posterior.event_shape[0] + log_determinants)
    return divergence.to(posterior.location.dtype)
