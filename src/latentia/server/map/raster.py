"""Densities of a plane as small grids, which a page draws as contours and as a shade."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from latentia.functional.plane import levels_of_mass
from latentia.reports.planes import CELLS, HOLE_RATIO, Hole, Picture

SHARES = (0.5, 0.9, 0.99)

FAINTEST = -50.0
"""Lowest log-density that is told, below the highest."""


@dataclass(frozen=True)
class Raster:
    """A grid of square cells, row by row upwards.

    Attributes:
        reach: Half its width, to the centres of the outermost cells.
        prior: Log-density of the prior less its largest value.
        levels: Of that, around the densest regions with 50, 90 and 99 % of the prior's mass.
        shade: How much a cell belongs to a hole, from 0 to 255.
        holes: The greatest.
    """

    reach: float
    prior: Sequence[float]
    levels: Sequence[float]
    shade: Sequence[int]
    holes: Sequence[Hole] = ()


def of_picture(picture: Picture, holes: Sequence[Hole]) -> Raster:
    """Return the grid of both densities."""
    return _raster(float(picture.axis[-1]), picture.prior, _shade(picture), holes)


def of_sphere(size: int) -> Raster:
    r"""Return the density of the even prior of a sphere in a plane, :math:`p(u) \propto (1 - |u|^2)^{D/2 - 2}`."""
    axis = torch.linspace(-1, 1, CELLS, dtype=torch.float64)
    inside = 1 - torch.cartesian_prod(axis, axis).square().sum(dim=1)
    prior = torch.where(inside > 0, (size / 2 - 2) * inside.clamp(min=1e-9).log(), -torch.inf)
    return _raster(1.0, prior, torch.zeros_like(prior), ())


def _raster(
    reach: float, prior: Float64[Tensor, " cells"], shade: Float64[Tensor, " cells"], holes: Sequence[Hole]
) -> Raster:
    top = float(prior.max())
    told = (prior - top).clamp(min=FAINTEST)
    levels = [max(FAINTEST, level - top) for level in levels_of_mass(prior, SHARES)]
    rounded = [round(each, 3) for each in told.tolist()]
    return Raster(reach, rounded, levels, (255 * shade).round().int().tolist(), holes)


def _shade(picture: Picture) -> Float64[Tensor, " cells"]:
    """Shade what the aggregate lacks: fully at a tenth of the prior's density, in proportion to the prior's own."""
    lack = ((picture.prior - picture.aggregate) / math.log(HOLE_RATIO)).clamp(0, 1)
    return lack.square() * (0.5 * (picture.prior - picture.prior.max())).exp()
