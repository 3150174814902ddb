"""The nearest of many points, exactly and in bounded memory."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

DISTANCES_AT_A_TIME = 2**22
SPARE = 16
"""Candidates beyond those asked for, since a rounded distance may order near ties otherwise than the exact one."""


class Nearest(NamedTuple):
    """Rows of points and how far they are, nearest first."""

    distances: Float[Tensor, "Q n"]
    rows: Int[Tensor, "Q n"]


def nearest(queries: Float[Tensor, "Q D"], points: Float[Tensor, "N D"], n: int) -> Nearest:
    r"""Find the ``n`` nearest points to each query by Euclidean distance, or all of fewer.

    Candidates are found by :math:`|p|^2 - 2 q \cdot p`, one product a block of points, and ordered by the distance
    itself in float64; of equally far points the first comes first.

    >>> nearest(torch.tensor([[0.0]]), torch.tensor([[3.0], [1.0], [-2.0]]), 2)
    Nearest(distances=tensor([[1., 2.]]), rows=tensor([[1, 2]]))
    """
    n = min(n, len(points))
    return _ordered(queries, points, _candidates(queries, points, min(n + SPARE, len(points))), n)


def _candidates(queries: Float[Tensor, "Q D"], points: Float[Tensor, "N D"], count: int) -> Int[Tensor, "Q count"]:
    """Rows of the least rounded distances, block by block."""
    # About their mean the squares are small, and their difference keeps its digits.
    centre = points.mean(dim=0)
    queries = queries - centre
    best, rows = queries.new_full((len(queries), 0), torch.inf), queries.new_zeros((len(queries), 0), dtype=torch.long)
    for start in range(0, len(points), step := max(1, DISTANCES_AT_A_TIME // max(1, len(queries)))):
        block = points[start : start + step] - centre
        found = torch.cat([best, torch.addmm(block.square().sum(dim=1), queries, block.T, alpha=-2)], dim=1)
        here = torch.arange(start, start + len(block), device=rows.device).expand(len(rows), -1)
        best, places = found.topk(min(count, found.shape[1]), largest=False)
        rows = torch.cat([rows, here], dim=1).gather(1, places)
    return rows


def _ordered(
    queries: Float[Tensor, "Q D"], points: Float[Tensor, "N D"], rows: Int[Tensor, "Q count"], n: int
) -> Nearest:
    """Order candidates by their exact distance, and equally far ones by their row."""
    rows = rows.sort(dim=1).values
    distances = (points[rows].double() - queries[:, None].double()).norm(dim=2)
    order = distances.argsort(dim=1, stable=True)[:, :n]
    return Nearest(distances.gather(1, order).to(queries.dtype), rows.gather(1, order))
