"""Paths that are drawn straight by their own tension and kept where a density is high."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

STEPS, SLOWEST = 200, 40
"""Steps of the descent, and those in which tension alone would straighten the widest bend by a factor of e."""

LARGEST_STEP = 0.05
"""Farthest that the density moves a point in a step, as a share of the distance of the ends."""


def relaxed(
    path: Float[Tensor, "points D"],
    log_density: Callable[[Tensor], Tensor],
    level: float,
    weight: float = 1.0,
    within: Callable[[Tensor], Tensor] = lambda points: points,
) -> Float[Tensor, "points D"]:
    r"""Descend the energy of a path, both ends fixed.

    .. math:: E = \frac n2 \sum_{i=1}^{n} \frac{|z_i - z_{i-1}|^2}{|z_n - z_0|^2}
        - \frac wn \sum_{i=1}^{n-1} \min\big( \log q(z_i), c \big)

    Tension spreads the points evenly and draws them straight. Where the density is at least the level ``c`` it does
    nothing more: a path through populated land is not drawn on to the highest density, which in many dimensions is
    nowhere near most of the mass. Each step is implicit in the tension and explicit in the density, whose part of it
    is limited.

    Args:
        path: Where to begin, in points of equal distance; the ends differ.
        log_density: Log-density of each point, in nats, with gradients.
        level: ``c``, in nats.
        weight: ``w``.
        within: Returns points to the space that codes come from.
    """
    intervals, apart = len(path) - 1, (path[-1] - path[0]).norm()
    rate = intervals * apart.square() / (SLOWEST * math.pi**2)
    tension = _tension(intervals).to(path) * rate * intervals / apart.square()
    implicit = torch.linalg.inv(torch.eye(intervals - 1).to(path) + tension[:, 1:-1])
    held = tension[:, [0, -1]] @ path[[0, -1]]
    for _ in range(STEPS):
        push = _limited(rate * weight / intervals * _slope(log_density, path[1:-1], level), LARGEST_STEP * apart)
        path = torch.cat([path[:1], within(implicit @ (path[1:-1] + push - held)), path[-1:]])
    return path


def energy(
    path: Float[Tensor, "points D"], log_density: Callable[[Tensor], Tensor], level: float, weight: float = 1.0
) -> float:
    """Energy that :func:`relaxed` descends."""
    intervals, apart = len(path) - 1, (path[-1] - path[0]).norm()
    tension = 0.5 * intervals * (path[1:] - path[:-1]).square().sum() / apart.square()
    return float(tension - weight / intervals * log_density(path[1:-1]).clamp(max=level).sum())


def through_neighbours(
    start: Float[Tensor, " D"], end: Float[Tensor, " D"], places: Float[Tensor, "N D"]
) -> Float[Tensor, "points D"]:
    r"""The cheapest way over some places, where a hop costs :math:`|z - z'|^3`: many short ones rather than a long one.

    Source: Groisman, Jonckheere and Sapienza, Nonhomogeneous Euclidean First-Passage Percolation and Distance
    Learning, 2022.
    """
    from scipy.sparse.csgraph import dijkstra

    points = torch.cat([start[None], places, end[None]])
    hops = torch.cdist(points, points).pow(3).double().numpy()
    before = dijkstra(hops, indices=0, return_predecessors=True)[1]
    way = [len(points) - 1]
    while way[-1]:
        way.append(int(before[way[-1]]))
    return points[way[::-1]]


def evenly_spaced(path: Float[Tensor, "points D"], count: int) -> Float[Tensor, "count D"]:
    """Return points at equal distances along a path, its ends among them.

    >>> evenly_spaced(torch.tensor([[0.0], [1.0], [4.0]]), 3)
    tensor([[0.],
            [2.],
            [4.]])
    """
    lengths = (path[1:] - path[:-1]).norm(dim=1)
    along = torch.cat([lengths.new_zeros(1), lengths.cumsum(dim=0)])
    wanted = torch.linspace(0, 1, count).to(path) * along[-1]
    before = (torch.searchsorted(along, wanted, right=True) - 1).clamp(max=len(path) - 2)
    share = (wanted - along[before]) / lengths[before].clamp(min=torch.finfo(path.dtype).tiny)
    return torch.lerp(path[before], path[before + 1], share[:, None])


def _tension(intervals: int) -> Float[Tensor, "inner points"]:
    """Second differences, with the sign of a force back."""
    shifted = torch.eye(intervals - 1, intervals + 1)
    return 2 * shifted.roll(1, 1) - shifted - shifted.roll(2, 1)


def _slope(log_density: Callable[[Tensor], Tensor], points: Tensor, level: float) -> Tensor:
    """Gradient of the log-density where it is below the level, and nothing elsewhere."""
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        total: Tensor = log_density(points).clamp(max=level).sum()
        slope: Tensor = torch.autograd.grad(total, points)[0]
    return slope


def _limited(steps: Float[Tensor, "inner D"], longest: Tensor) -> Float[Tensor, "inner D"]:
    norm = steps.norm(dim=1, keepdim=True)
    share: Tensor = (longest / norm.clamp(min=torch.finfo(norm.dtype).tiny)).clamp(max=1.0)
    return steps * share
