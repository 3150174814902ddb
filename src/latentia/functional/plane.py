"""Mixtures of Gaussians seen in a plane: exact densities of their projections."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from latentia.functional.aggregate import LOG_TWO_PI, marginal_log_density


@torch.no_grad()
def plane_log_density(
    points: Float64[Tensor, "P 2"],
    mean: Float64[Tensor, "N 2"],
    covariance: Float64[Tensor, "N 2 2"],
    chunk: int = 2**22,
) -> Float64[Tensor, " P"]:
    r"""Log-density of an equal mixture of Gaussians in the plane, :math:`\log \tfrac1N \sum_n N(u; m_n, S_n)`, in nats.

    At most about ``chunk`` numbers are held at a time beside the result.
    """
    factor = torch.linalg.cholesky(covariance)
    first, slope, second = factor[:, 0, 0], factor[:, 1, 0], factor[:, 1, 1]
    constant = -(first * second).log() - LOG_TWO_PI - math.log(len(mean))
    parts = []
    for block in points.split(max(1, chunk // len(mean))):
        across = (block[:, None, 0] - mean[:, 0]) / first
        along = (block[:, None, 1] - mean[:, 1] - slope * across) / second
        parts.append((constant - 0.5 * (across.square() + along.square())).logsumexp(dim=1))
    return torch.cat(parts)


def conditional_mean(
    points: Float64[Tensor, "P 2"],
    plane: Float64[Tensor, "D 2"],
    mean: Float64[Tensor, "K D"],
    variance: Float64[Tensor, "K D"],
) -> Float64[Tensor, "P D"]:
    r"""Expected code of an equal mixture of diagonal Gaussians, given where it lies in a plane.

    .. math:: E[z \mid U^T z = u] = \sum_k r_k(u) \big(\mu_k + V_k U (U^T V_k U)^{-1} (u - U^T \mu_k)\big)

    with ``r`` the responsibilities of the projected components. For a standard normal it is ``U u``: zero outside of
    the plane.

    Args:
        points: ``u``.
        plane: ``U``, orthonormal columns.
        mean: Of the components.
        variance: Of the components.
    """
    seen, spread = mean @ plane, plane_covariance(variance, plane)
    one_by_one = [plane_log_density(points, seen[k : k + 1], spread[k : k + 1]) for k in range(len(mean))]
    share = torch.stack(one_by_one, dim=1).softmax(dim=1)
    away = torch.linalg.solve(spread[:, None], (points[None] - seen[:, None])[..., None])[..., 0]
    lifted = mean[:, None] + variance[:, None] * (away @ plane.T)
    return torch.einsum("pk,kpd->pd", share, lifted)


def plane_covariance(variance: Float64[Tensor, "N D"], plane: Float64[Tensor, "D 2"]) -> Float64[Tensor, "N 2 2"]:
    r"""Covariance of independent dimensions in a plane, :math:`U^T \mathrm{diag}(v_n) U`."""
    return torch.einsum("nd,di,dj->nij", variance, plane, plane)


def symmetric_gap(
    mean: Float[Tensor, "N D"],
    variance: Float[Tensor, "N D"],
    other_mean: Float[Tensor, "K D"],
    other_variance: Float[Tensor, "K D"],
    points: Float64[Tensor, " P"],
) -> Float64[Tensor, " D"]:
    r"""Divergence in both directions of the marginals of two equal mixtures, in nats, by the trapezoidal rule.

    .. math:: J_i = \int (q_i(z) - p_i(z)) \, (\log q_i(z) - \log p_i(z)) \, dz

    Source: Jeffreys, An Invariant Form for the Prior Probability in Estimation Problems, 1946.
    """
    log_q = marginal_log_density(points, mean, variance.log())
    log_p = marginal_log_density(points, other_mean, other_variance.log())
    return torch.trapezoid((log_q.exp() - log_p.exp()) * (log_q - log_p), points, dim=0)


def levels_of_mass(log_density: Float64[Tensor, " cells"], shares: Sequence[float]) -> list[float]:
    """Log-densities at the edges of the densest regions that hold these shares of the mass, of cells of one size.

    >>> density = torch.tensor([1.0, 5.0, 4.0], dtype=torch.float64)
    >>> [round(math.exp(level)) for level in levels_of_mass(density.log(), (0.5, 0.9))]
    [5, 4]
    """
    ordered = log_density.sort(descending=True).values
    mass = ordered.softmax(dim=0).cumsum(0)
    wanted = torch.tensor(shares, dtype=mass.dtype) - 1e-9  # a share that is met but for rounding is met
    places = torch.searchsorted(mass, wanted).clamp(max=len(ordered) - 1)
    levels: list[float] = ordered[places].tolist()
    return levels
