"""The unit sphere of ``R^m``: areas, and the modified Bessel functions that normalise directional densities.

Everything is computed in float64: the densities cancel terms as large as their concentration.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import torch
from jaxtyping import Float64
from torch import Tensor

SHIFT, DEBYE_TERMS, SERIES_TERMS = 32, 9, 24


def log_area(dimension: int) -> float:
    r"""Log of the area of the unit sphere, :math:`2 \pi^{m/2} / \Gamma(m/2)`.

    >>> round(math.exp(log_area(3)) / math.pi, 12)
    4.0
    """
    half = dimension / 2
    return math.log(2) + half * math.log(math.pi) - math.lgamma(half)


def log_partition(concentration: Float64[Tensor, "*rows"], dimension: int) -> Float64[Tensor, "*rows"]:
    r"""Log of the mean of :math:`e^{\kappa \mu^T z}` over the uniform sphere, with its gradient.

    .. math:: g(\kappa) = \log {}_0F_1(; \tfrac m2; \tfrac{\kappa^2}{4})
        = \log \Gamma(\tfrac m2) + (\tfrac m2 - 1) \log \tfrac 2\kappa + \log I_{m/2-1}(\kappa)

    It is 0 at 0, its derivative is :func:`mean_cosine`, and the von Mises-Fisher density is
    :math:`e^{\kappa \mu^T z - g(\kappa)}` against the uniform one. Shape and dtype of the argument, in nats.
    """
    result: Tensor = _LogPartition.apply(concentration, dimension)  # type: ignore[no-untyped-call]
    return result


def mean_cosine(concentration: Float64[Tensor, "*rows"], dimension: int) -> Float64[Tensor, "*rows"]:
    r"""Mean of :math:`\mu^T z`, :math:`A(\kappa) = I_{m/2}(\kappa) / I_{m/2-1}(\kappa)`, with its gradient.

    .. math:: A'(\kappa) = 1 - A^2 - \frac{m - 1}{\kappa} A
    """
    result: Tensor = _MeanCosine.apply(concentration, dimension)  # type: ignore[no-untyped-call]
    return result


class _LogPartition(torch.autograd.Function):
    @staticmethod
    def forward(ctx, concentration, dimension):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        ctx.save_for_backward(concentration)
        ctx.dimension = dimension
        return _bessel(concentration, dimension)[0]

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        (concentration,) = ctx.saved_tensors
        return gradient * mean_cosine(concentration, ctx.dimension), None


class _MeanCosine(torch.autograd.Function):
    @staticmethod
    def forward(ctx, concentration, dimension):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        lack = _bessel(concentration, dimension)[1]
        ctx.save_for_backward(concentration, lack)
        ctx.dimension = dimension
        return 1 - lack

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        concentration, lack = ctx.saved_tensors
        variance = lack * (2 - lack) - (ctx.dimension - 1) / concentration * (1 - lack)
        return gradient * torch.where(concentration > 0, variance, 1 / ctx.dimension), None


def _bessel(concentration: Tensor, dimension: int) -> tuple[Tensor, Tensor]:
    """Log-partition and what the mean cosine lacks to 1, by the power series where it converges at once."""
    small = concentration.square() <= 2 * dimension
    series = _by_series(concentration.where(small, 1.0), dimension)
    expansion = _by_expansion(concentration.where(~small, math.sqrt(2 * dimension)), dimension)
    partition, lack = (torch.where(small, *pair) for pair in zip(series, expansion, strict=True))
    return partition, lack


def _by_series(concentration: Tensor, dimension: int) -> tuple[Tensor, Tensor]:
    r"""Sum :math:`{}_0F_1(; b; x) = \sum_k x^k / (k! (b)_k)` for ``b`` of the partition and of its derivative."""
    x, half = concentration.square() / 4, dimension / 2
    above, above_next = (_hypergeometric_less_one(x, b) for b in (half, half + 1))
    return above.log1p(), 1 - concentration / dimension * (1 + above_next) / (1 + above)


def _hypergeometric_less_one(x: Tensor, b: float) -> Tensor:
    total = torch.zeros_like(x)
    for k in range(SERIES_TERMS, 0, -1):
        total = (1 + total) * x / (k * (b + k - 1))
    return total


def _by_expansion(concentration: Tensor, dimension: int) -> tuple[Tensor, Tensor]:
    r"""Debye's expansion at an order ``n`` higher, then down by :math:`I_{v-1}/I_v = 2v/\kappa + I_{v+1}/I_v`.

    The expansion runs in powers of :math:`1/\sqrt{v^2 + \kappa^2}` and is exact to float64 from order 32 on; the
    recurrence downwards is stable. It runs on ``1 - I_{v+1}/I_v``, which keeps its digits at large concentrations.
    """
    order = dimension / 2 - 1
    top = order + SHIFT
    (root, rest), (next_root, next_rest) = (_debye(concentration, v) for v in (top, top + 1))
    # Roots, which may be as large as the concentration, are subtracted by way of their squares.
    apart = 2 * top + 1
    lack = -(apart / (root + next_root) - 0.25 * (apart / root.square()).log1p() + next_rest - rest).expm1()
    log_bessel = root - 0.5 * (2 * math.pi * root).log() + rest
    for step in range(SHIFT, 0, -1):
        slope = 2 * (order + step) / concentration
        lack = (slope - lack) / (1 + slope - lack)
        log_bessel = log_bessel - (-lack).log1p()
    return math.lgamma(order + 1) + order * (2 / concentration).log() + log_bessel, lack


def _debye(concentration: Tensor, order: float) -> tuple[Tensor, Tensor]:
    r"""Return :math:`r = \sqrt{v^2 + \kappa^2}` and :math:`\log I_v(\kappa) - r + \tfrac12 \log 2 \pi r`.

    Source: Abramowitz and Stegun, 1964, 9.7.7.
    """
    root = torch.hypot(concentration, torch.full_like(concentration, order))
    t = order / root
    total = torch.zeros_like(t)
    for coefficients in reversed(_debye_polynomials()[1:]):
        total = (total + _polynomial(coefficients, t)) / order
    return root, total.log1p() - order * torch.asinh(order / concentration)


def _polynomial(coefficients: tuple[float, ...], t: Tensor) -> Tensor:
    total = torch.zeros_like(t)
    for coefficient in reversed(coefficients):
        total = total * t + coefficient
    return total


@cache
def _debye_polynomials() -> tuple[tuple[float, ...], ...]:
    r"""Coefficients of :math:`u_{k+1} = \tfrac12 t^2 (1 - t^2) u_k' + \tfrac18 \int_0^t (1 - 5 s^2) u_k \, ds`."""
    polynomial, found = {0: Fraction(1)}, []
    for _ in range(DEBYE_TERMS):
        found.append(tuple(float(polynomial.get(power, 0)) for power in range(max(polynomial) + 1)))
        following: dict[int, Fraction] = {}
        for power, value in polynomial.items():
            for shift, factor in (
                (1, Fraction(power, 2) + Fraction(1, 8 * (power + 1))),
                (3, -Fraction(power, 2) - Fraction(5, 8 * (power + 3))),
            ):
                following[power + shift] = following.get(power + shift, Fraction(0)) + factor * value
        polynomial = following
    return tuple(found)
