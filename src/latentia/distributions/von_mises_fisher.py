"""The von Mises-Fisher distribution on the unit sphere, with its exact normaliser, sampler and gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.distributions import Beta, register_kl

from latentia.distributions.directional import Directional
from latentia.distributions.hyperspherical_uniform import HypersphericalUniform, cosines, direction_across
from latentia.functional.sphere import log_area, log_partition, mean_cosine

NODES, REACH = 48, 12.0
"""Points of the quadrature in the gradient of an angle, and where it ends, in standard deviations."""


class VonMisesFisher(Directional):
    r"""Directions around a mean direction, :math:`p(z) \propto e^{\kappa \mu^T z}` on the unit sphere of ``R^m``.

    Draws have gradients to both parameters: that of the concentration is implicit,
    :math:`d\theta / d\kappa = - \partial_\kappa F(\theta) / f(\theta)` for the angle to the mean direction, since the
    path through an accepted proposal alone is biased.

    Args:
        direction: ``mu``, unit vectors of shape ``[*rows, m]``.
        concentration: ``kappa >= 0``, shape ``[*rows]``.

    Source: Davidson et al., Hyperspherical Variational Auto-Encoders, 2018; Wood, Simulation of the von Mises Fisher
    Distribution, 1994; Figurnov, Mohamed and Mnih, Implicit Reparameterization Gradients, 2018, equation 5.

    >>> pole = VonMisesFisher(torch.tensor([0.0, 0.0, 1.0]), torch.tensor(10.0))
    >>> round(pole.log_prob(pole.direction).item(), 4)
    0.4647
    """

    @property
    def mean(self) -> Float[Tensor, "*rows D"]:
        r"""The mean, :math:`A(\kappa) \mu`, inside the sphere."""
        length = mean_cosine(self.concentration.double(), self.event_shape[0])
        return self.direction * length.to(self.direction.dtype)[..., None]

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Float[Tensor, "*samples D"]:
        r"""Draw :math:`z = \mu \cos\theta + v \sin\theta` with ``v`` uniform among the directions across ``mu``."""
        shape = self._extended_shape(torch.Size(sample_shape))
        concentration = self.concentration.double().expand(shape[:-1])
        angle: Tensor = _Angle.apply(concentration, shape[-1])  # type: ignore[no-untyped-call]
        cosine, sine = (part.to(self.direction.dtype)[..., None] for part in (angle.cos(), angle.sin()))
        return self.direction * cosine + direction_across(self.direction.expand(shape)) * sine

    def log_prob(self, value: Float[Tensor, "*samples D"]) -> Float[Tensor, "*rows"]:
        """Log-density of each row, in nats against the surface measure."""
        concentration = self.concentration.double()
        apart = (value.double() - self.direction.double()).square().sum(dim=-1)
        # On the sphere the cosine is 1 - |z - mu|^2 / 2, which keeps its digits near the mean direction.
        density = concentration * (1 - 0.5 * apart) - log_partition(concentration, self.event_shape[0])
        return (density - log_area(self.event_shape[0])).to(value.dtype)

    def component_log_prob(self, codes: Float64[Tensor, "P D"]) -> Float64[Tensor, "P N"]:
        """Log-density of each code under each of ``N`` rows, in nats."""
        concentration, dimension = self.concentration.double(), self.event_shape[0]
        normaliser = log_partition(concentration, dimension) + log_area(dimension)
        return concentration * cosines(codes, self.direction) - normaliser

    def entropy(self) -> Float[Tensor, "*rows"]:
        """Differential entropy in nats, that of the uniform distribution less the divergence from it."""
        return log_area(self.event_shape[0]) - self.divergence_from_uniform()

    def divergence_from_uniform(self) -> Float[Tensor, "*rows"]:
        r"""KL in nats, :math:`\kappa A(\kappa) - g(\kappa)`; the direction does not matter."""
        dimension, concentration = self.event_shape[0], self.concentration.double()
        divergence = concentration * mean_cosine(concentration, dimension) - log_partition(concentration, dimension)
        return divergence.to(self.concentration.dtype)


@register_kl(VonMisesFisher, HypersphericalUniform)
def _kl_von_mises_fisher_uniform(posterior: VonMisesFisher, prior: HypersphericalUniform) -> Tensor:
    return posterior.divergence_from_uniform()


class _Angle(torch.autograd.Function):
    """Angles between draws and the mean direction, with the implicit gradient to the concentration."""

    @staticmethod
    def forward(ctx, concentration, dimension):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        # One less the cosine is what is drawn: at large concentrations the cosine has no digits left.
        angle = 2 * (0.5 * _draw_lack_of_cosine(concentration, dimension)).sqrt().clamp(max=1.0).asin()
        ctx.save_for_backward(concentration, angle)
        ctx.dimension = dimension
        return angle

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        concentration, angle = ctx.saved_tensors
        return gradient * _slope_of_angle(concentration, angle, ctx.dimension), None


def _draw_lack_of_cosine(concentration: Float64[Tensor, "*rows"], dimension: int) -> Float64[Tensor, "*rows"]:
    """Draw ``1 - cos`` by rejection from a ratio of beta variables (Wood, 1994); two thirds or more are accepted."""
    degrees = dimension - 1
    root = torch.hypot(2 * concentration, torch.full_like(concentration, degrees))
    # b is (root - 2 kappa) / degrees, written so that it does not cancel at large concentrations.
    a, b = (degrees + 2 * concentration + root) / 4, degrees / (2 * concentration + root)
    offset = 4 * a * b / (1 + b) - degrees * math.log(degrees)
    half = torch.tensor(degrees / 2, dtype=concentration.dtype, device=concentration.device)
    proposals = Beta(half, half, validate_args=False)
    # A concentration that is not finite accepts nothing, ever: its draws are NaN, and training then stops by itself.
    lack, waiting = torch.full_like(concentration, torch.nan), concentration.isfinite()
    while bool(waiting.any()):
        share = proposals.sample(concentration.shape)
        bottom = 1 - (1 - b) * share
        t = 2 * a * b / bottom
        accepted = waiting & (degrees * t.log() - t + offset >= torch.rand_like(t).log())
        lack = torch.where(accepted, 2 * b * share / bottom, lack)
        waiting = waiting & ~accepted
    return lack


def _slope_of_angle(
    concentration: Float64[Tensor, "*rows"], angle: Float64[Tensor, "*rows"], dimension: int
) -> Float64[Tensor, "*rows"]:
    r"""Implicit derivative of an angle of density :math:`h(\theta) \propto \sin^{m-2}\theta \, e^{\kappa \cos\theta}`.

    .. math:: \frac{d\theta}{d\kappa} = -\frac{1}{h(\theta)} \int_0^\theta (\cos s - A(\kappa)) h(s) \, ds

    by Gauss-Legendre quadrature on the side away from the mode; the two sides' integrals add up to zero.
    """
    power = dimension - 2
    root = torch.hypot(2 * concentration, torch.full_like(concentration, power))
    cosine_of_mode = 2 * concentration / (power + root).clamp(min=1e-300)
    deviation = (0.5 * (power + root) + concentration * cosine_of_mode).rsqrt()
    side = torch.where(angle.cos() <= cosine_of_mode, 1.0, -1.0)
    length = torch.minimum(torch.where(side > 0, math.pi - angle, angle), REACH * deviation)
    nodes, weights = (part.to(angle.device) for part in _quadrature())
    angle, side, kappa = angle[..., None], side[..., None], concentration[..., None]
    step = side * length[..., None] * nodes
    there = angle + step
    log_ratio = power * (there.sin() / angle.sin()).log() - 2 * kappa * (angle + step / 2).sin() * (step / 2).sin()
    excess = (1 - mean_cosine(kappa, dimension)) - 2 * (there / 2).sin().square()
    return (side * excess * log_ratio.exp() * weights).sum(dim=-1) * length


@cache
def _quadrature() -> tuple[Tensor, Tensor]:
    """Nodes and weights of Gauss and Legendre on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return torch.from_numpy(nodes + 1) / 2, torch.from_numpy(weights) / 2
