"""The power spherical distribution: like von Mises-Fisher, without Bessel functions or rejection."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.distributions import Beta, register_kl

from latentia.distributions.directional import Directional
from latentia.distributions.hyperspherical_uniform import HypersphericalUniform, cosines, direction_across
from latentia.functional.sphere import log_area


class PowerSpherical(Directional):
    r"""Directions around a mean direction, :math:`p(z) \propto (1 + \mu^T z)^\kappa` on the unit sphere of ``R^m``.

    Half of one more than the cosine is :math:`\mathrm{Beta}(\tfrac{m-1}2 + \kappa, \tfrac{m-1}2)`, whose draws carry
    exact gradients.

    Args:
        direction: ``mu``, unit vectors of shape ``[*rows, m]``.
        concentration: ``kappa >= 0``, shape ``[*rows]``.

    Source: De Cao and Aziz, The Power Spherical Distribution, 2020, equations 5 to 14.

    >>> pole = PowerSpherical(torch.tensor([0.0, 0.0, 1.0]), torch.tensor(10.0))
    >>> round(pole.log_prob(pole.direction).item(), 4)
    -0.1331
    """

    @property
    def mean(self) -> Float[Tensor, "*rows D"]:
        r"""The mean, :math:`\mu \kappa / (m - 1 + \kappa)`, inside the sphere."""
        length = self.concentration / (self.event_shape[0] - 1 + self.concentration)
        return self.direction * length[..., None]

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Float[Tensor, "*samples D"]:
        r"""Draw :math:`z = t \mu + \sqrt{1 - t^2} \, v` with ``v`` uniform among the directions across ``mu``."""
        shape = self._extended_shape(torch.Size(sample_shape))
        alpha, beta = (part.expand(shape[:-1]) for part in self._beta())
        share = Beta(alpha, beta, validate_args=False).rsample()
        cosine, sine = 2 * share - 1, 2 * (share * (1 - share)).clamp(min=1e-30).sqrt()
        cosine, sine = (part.to(self.direction.dtype)[..., None] for part in (cosine, sine))
        return self.direction * cosine + direction_across(self.direction.expand(shape)) * sine

    def log_prob(self, value: Float[Tensor, "*samples D"]) -> Float[Tensor, "*rows"]:
        """Log-density of each row, in nats against the surface measure."""
        apart = (value.double() - self.direction.double()).square().sum(dim=-1)
        # Rounding may take the point opposite the mean direction out of the logarithm's domain.
        density = self.concentration.double() * (2 - 0.5 * apart).clamp(min=1e-30).log() - self._log_normaliser()
        return density.to(value.dtype)

    def component_log_prob(self, codes: Float64[Tensor, "P D"]) -> Float64[Tensor, "P N"]:
        """Log-density of each code under each of ``N`` rows, in nats."""
        shifted = (1 + cosines(codes, self.direction)).clamp(min=1e-30)
        return self.concentration.double() * shifted.log() - self._log_normaliser()

    def entropy(self) -> Float[Tensor, "*rows"]:
        """Differential entropy in nats, that of the uniform distribution less the divergence from it."""
        return log_area(self.event_shape[0]) - self.divergence_from_uniform()

    def divergence_from_uniform(self) -> Float[Tensor, "*rows"]:
        r"""KL in nats, :math:`\log |S| - \log N + \kappa (\log 2 + \psi(\alpha) - \psi(\alpha + \beta))`."""
        alpha, beta = self._beta()
        mean_log = math.log(2) + alpha.digamma() - (alpha + beta).digamma()
        divergence = log_area(self.event_shape[0]) - self._log_normaliser() + self.concentration.double() * mean_log
        return divergence.clamp(min=0.0).to(self.concentration.dtype)

    def _beta(self) -> tuple[Float64[Tensor, "*rows"], Float64[Tensor, "*rows"]]:
        half = torch.full_like(self.concentration, (self.event_shape[0] - 1) / 2, dtype=torch.float64)
        return half + self.concentration.double(), half

    def _log_normaliser(self) -> Float64[Tensor, "*rows"]:
        alpha, beta = self._beta()
        return (alpha + beta) * math.log(2) + beta * math.log(math.pi) + alpha.lgamma() - (alpha + beta).lgamma()


@register_kl(PowerSpherical, HypersphericalUniform)
def _kl_power_spherical_uniform(posterior: PowerSpherical, prior: HypersphericalUniform) -> Tensor:
    return posterior.divergence_from_uniform()
