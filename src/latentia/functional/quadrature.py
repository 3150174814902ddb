"""Integrals against mixtures of Gaussians in one dimension."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

REACH, SPACING, FEWEST, MOST = 8.0, 0.25, 16, 65_537
"""How far a component reaches, in its standard deviations; the distance of points, in those of the narrowest component
of a piece; the fewest points of a piece, and about the most of all pieces."""


def grid_of_mixture(
    mean: Float64[Tensor, " K"], deviation: Float64[Tensor, " K"], finest: float = float("inf")
) -> tuple[Float64[Tensor, " P"], Float64[Tensor, " P"]]:
    r"""Points and weights of :math:`\int f(z) \, dz` for an ``f`` that vanishes with the mixture's density.

    The line is cut into the pieces that components reach, :math:`\mu_k \pm 8 \sigma_k`, where those that overlap are
    one. Beyond is 1e-15 of the mass, however far apart the pieces are. Each is given the trapezoidal rule, whose error
    for a smooth function that vanishes at both ends falls faster than any power of the distance of its points: a
    quarter of the narrowest standard deviation, or more where that would ask for more than about 65,537 points.

    Args:
        mean: Of the components.
        deviation: Their standard deviations.
        finest: What else varies over no less than this standard deviation.

    >>> points, weights = grid_of_mixture(
    ...     torch.tensor([0.0, 1e6], dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    ... )
    >>> len(points), weights.sum().item()
    (130, 32.5)
    """
    low, order = (mean - REACH * deviation).sort()
    high = (mean + REACH * deviation)[order].cummax(dim=0).values
    opens = torch.cat([torch.ones_like(low[:1], dtype=torch.bool), low[1:] > high[:-1]])
    begin, end = low[opens], high[torch.cat([opens[1:], opens[:1]])]
    intervals = _intervals(end - begin, _narrowest(deviation[order], opens).clamp(max=finest))
    spacing = (end - begin) / intervals
    piece = torch.arange(len(begin), device=mean.device).repeat_interleave(intervals + 1)
    first = torch.cat([intervals.new_zeros(1), (intervals + 1).cumsum(dim=0)[:-1]])
    number = torch.arange(len(piece), device=mean.device) - first[piece]
    return begin[piece] + number * spacing[piece], spacing[piece]


def _narrowest(deviation: Float64[Tensor, " K"], opens: Bool[Tensor, " K"]) -> Float64[Tensor, " pieces"]:
    """Smallest standard deviation of each piece."""
    piece = opens.long().cumsum(dim=0) - 1
    return deviation.new_full((int(opens.sum()),), torch.inf).scatter_reduce(0, piece, deviation, "amin")


def _intervals(width: Float64[Tensor, " pieces"], finest: Float64[Tensor, " pieces"]) -> Int[Tensor, " pieces"]:
    """Intervals of each piece; all are coarser by one factor where they would be too many."""
    asked = width / (SPACING * finest)
    return (asked / (asked.sum() / MOST).clamp(min=1.0)).ceil().long().clamp(min=FEWEST)
