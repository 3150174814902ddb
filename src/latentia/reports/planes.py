"""The planes in which prior and aggregate posterior are shown, and the holes seen there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from latentia.distributions import CodeDistribution, DiagonalGaussian, GaussianMixture, SharedNoiseGaussian
from latentia.functional.plane import conditional_mean, plane_covariance, plane_log_density, symmetric_gap

CELLS = 80
LEAST_REACH, GREATEST_REACH = 4.0, 12.0
"""Half the width of a picture, in standard deviations of the prior."""
HOLE_RATIO, HOLE_MASS, HOLES, APART = 10.0, 0.001, 5, 1.0
"""A hole: the aggregate has less than a tenth of the prior's density, over a thousandth of the prior's mass. At most
five are marked, a standard deviation of the prior apart."""
ROWS_TO_CHOOSE, POINTS_TO_CHOOSE = 1000, 1025


@dataclass(frozen=True)
class Cloud:
    """Gaussians, one a row, in units of the prior's mean and standard deviation of each dimension.

    Attributes:
        mean: Shape ``[N, D]``.
        variance: Of independent noise, ``[N, D]``.
        shared: Covariance of further noise, the same for all rows, ``[D, D]``.
    """

    mean: Float64[Tensor, "N D"]
    variance: Float64[Tensor, "N D"]
    shared: Float64[Tensor, "D D"]

    def along(self, directions: Float64[Tensor, "D C"]) -> tuple[Tensor, Tensor]:
        """Means and variances ``[N, C]`` on single directions."""
        further = torch.einsum("dc,de,ec->c", directions, self.shared, directions)
        return self.mean @ directions, self.variance @ directions.square() + further

    def onto(self, plane: Float64[Tensor, "D 2"]) -> tuple[Tensor, Tensor]:
        """Means ``[N, 2]`` and covariances ``[N, 2, 2]`` in a plane."""
        return self.mean @ plane, plane_covariance(self.variance, plane) + plane.T @ self.shared @ plane

    def covariance(self) -> Float64[Tensor, "D D"]:
        """Covariance of the equal mixture."""
        return self.mean.T.cov(correction=0) + self.variance.mean(dim=0).diag() + self.shared


@dataclass(frozen=True)
class Picture:
    """Both densities on a grid of square cells.

    Attributes:
        centres: Where the posterior means lie, ``[N, 2]``.
        axis: Centres of the cells in either direction.
        prior: Log-density of the prior, one entry a cell, row by row upwards.
        aggregate: Log-density of the aggregate posterior.
    """

    centres: Float64[Tensor, "N 2"]
    axis: Float64[Tensor, " side"]
    prior: Float64[Tensor, " cells"]
    aggregate: Float64[Tensor, " cells"]

    @property
    def points(self) -> Float64[Tensor, "cells 2"]:
        """Centre of each cell."""
        return torch.cartesian_prod(self.axis, self.axis).flip(1)

    @property
    def mass(self) -> Float64[Tensor, " cells"]:
        """Share of the prior in each cell."""
        return self.prior.softmax(dim=0)

    @property
    def empty(self) -> Bool[Tensor, " cells"]:
        """Cells where the aggregate has less than a tenth of the prior's density."""
        return self.prior - self.aggregate > math.log(HOLE_RATIO)

    @property
    def excess(self) -> Float64[Tensor, " cells"]:
        """Density of the prior less that of the aggregate."""
        return self.prior.exp() - self.aggregate.exp()


@dataclass(frozen=True)
class Hole:
    """A place where the prior has mass and the aggregate posterior next to none.

    Attributes:
        number: By which it is marked, counted over all planes.
        x: Where the prior exceeds the aggregate most around there, to the right.
        y: The same, upwards.
        mass: Of the prior in the empty cells to which no other marked hole is nearer.
        ratio: Density of the prior over that of the aggregate at this place.
        code: Expected code of the prior there, ``[D]``.
    """

    number: int
    x: float
    y: float
    mass: float
    ratio: float
    code: Float64[Tensor, " D"]


@dataclass(frozen=True)
class Named:
    """A plane, and how it was chosen.

    Attributes:
        title: How.
        labels: Of its two directions.
        directions: Orthonormal, ``[D, 2]``.
    """

    title: str
    labels: tuple[str, str]
    directions: Float64[Tensor, "D 2"]


@dataclass(frozen=True)
class Plane:
    """A plane, and what is seen there.

    Attributes:
        named: The plane.
        picture: The densities.
        holes: The greatest, by mass.
    """

    named: Named
    picture: Picture
    holes: Sequence[Hole]

    @property
    def title(self) -> str:
        """How it was chosen."""
        return self.named.title

    @property
    def labels(self) -> tuple[str, str]:
        """Of its two directions."""
        return self.named.labels


@dataclass(frozen=True)
class Frame:
    """Posteriors and prior in units of the prior's mean and standard deviation, in which planes are chosen.

    Attributes:
        cloud: The posteriors.
        reference: The components of the prior.
        shift: Mean of the prior, ``[D]``.
        scale: Its standard deviations.
    """

    cloud: Cloud
    reference: Cloud
    shift: Float64[Tensor, " D"]
    scale: Float64[Tensor, " D"]

    @classmethod
    def of(cls, posteriors: CodeDistribution, prior: CodeDistribution) -> Frame:
        """Take Gaussian posteriors and a prior of Gaussians."""
        components = prior.components if isinstance(prior, GaussianMixture) else _rows_of(prior)
        shift, scale = prior.mean.double(), prior.variance.double().sqrt()
        return cls(_cloud(posteriors, shift, scale), _cloud(components, shift, scale), shift, scale)

    def principal(self) -> Named:
        """Take the two directions in which means vary most."""
        directions = torch.linalg.eigh(self.cloud.mean.T.cov(correction=0)).eigenvectors.flip(1)
        labels = "first principal direction of the means", "second"
        return Named("where posterior means vary most", labels, _upright(directions[:, :2]))

    def most_different(self) -> Named:
        """Take the two directions, of dimensions and principal ones, in which aggregate and prior differ most."""
        return _most_different(self.cloud, self.reference)

    def dimensions(self, first: int, second: int) -> Named:
        """Take two dimensions of the code, counted from 0."""
        unit = torch.eye(len(self.shift), dtype=torch.float64)[:, [first, second]]
        return Named("two dimensions of the code", (f"dimension {first + 1}", f"dimension {second + 1}"), unit)

    def show(self, named: Named, first: int = 1) -> Plane:
        """Evaluate the densities in a plane and number its holes, from ``first`` on."""
        picture = _picture(self.cloud, self.reference, named.directions)
        spots = _places(picture)
        codes = self.codes(picture.points[list(spots)], named.directions)
        return Plane(named, picture, _holes(picture, spots, codes, first))

    def places(self, codes: Float[Tensor, "N D"], directions: Float64[Tensor, "D 2"]) -> Float64[Tensor, "N 2"]:
        """Return where codes lie in a plane."""
        return ((codes.double() - self.shift) / self.scale) @ directions

    def codes(self, points: Float64[Tensor, "P 2"], directions: Float64[Tensor, "D 2"]) -> Float64[Tensor, "P D"]:
        """Return the expected code of the prior at places of a plane."""
        lifted = conditional_mean(points, directions, self.reference.mean, self.reference.variance)
        return lifted * self.scale + self.shift


def telling_planes(posteriors: CodeDistribution, prior: CodeDistribution) -> list[Plane]:
    """Show the aggregate posterior against the prior in two planes.

    Codes are measured in standard deviations of the prior, from its mean. The first plane has the two directions in
    which posterior means vary most. The second has the two in which aggregate and prior differ most, by the divergence
    in both directions of their marginals: a search for interesting projections, among the dimensions and the principal
    directions of the aggregate. Both densities are exact but for a blur of half a cell: Gaussians project to Gaussians.

    Most planes through many dimensions show about a Gaussian, whatever the cloud (Diaconis and Freedman): a hole that
    is seen is there, one that is not seen may be.

    Source: Friedman and Tukey, A Projection Pursuit Algorithm for Exploratory Data Analysis, 1974; Diaconis and
    Freedman, Asymptotics of Graphical Projection Pursuit, 1984.
    """
    frame, planes = Frame.of(posteriors, prior), list[Plane]()
    for choose in (frame.principal, frame.most_different)[: len(frame.shift) - 1]:  # two dimensions have one plane
        planes.append(frame.show(choose(), 1 + sum(len(each.holes) for each in planes)))
    return planes


def _rows_of(prior: CodeDistribution) -> CodeDistribution:
    rows: CodeDistribution = prior.expand([1])
    return rows


def _cloud(distribution: CodeDistribution, shift: Tensor, scale: Tensor) -> Cloud:
    """Take Gaussian rows apart and put them in units of the prior."""
    mean = (distribution.mean.double() - shift) / scale
    if isinstance(distribution, SharedNoiseGaussian):
        shared = distribution.covariance / scale / scale[:, None]
        return Cloud(mean, torch.zeros_like(mean), shared)
    variance = distribution.variance.double() / scale.square()
    return Cloud(mean, variance, torch.zeros(len(scale), len(scale), dtype=torch.float64))


def _most_different(cloud: Cloud, reference: Cloud) -> Named:
    """Search the dimensions and the principal directions by their marginals."""
    size = cloud.mean.shape[1]
    principal = _upright(torch.linalg.eigh(cloud.covariance()).eigenvectors.flip(1))
    directions = torch.cat([torch.eye(size, dtype=torch.float64), principal], dim=1)
    names = [f"dimension {n + 1}" for n in range(size)] + [f"principal direction {n + 1}" for n in range(size)]
    gaps = _gaps(cloud, reference, directions)
    first = int(gaps.argmax())
    apart = (directions.T @ directions[:, first]).abs() < 0.5
    second = int(gaps.where(apart, -1.0).argmax())
    across = directions[:, second] - (directions[:, second] @ directions[:, first]) * directions[:, first]
    plane = torch.stack([directions[:, first], across / across.norm()], dim=1)
    labels = tuple(f"{names[each]} (gap {gaps[each]:.2g} nats)" for each in (first, second))
    return Named("where aggregate and prior differ most", (labels[0], labels[1]), plane)


def _gaps(cloud: Cloud, reference: Cloud, directions: Tensor) -> Tensor:
    """Divergence of the marginals on each direction, over at most a thousand posteriors."""
    rows = torch.arange(len(cloud.mean))[:: -(-len(cloud.mean) // ROWS_TO_CHOOSE)]
    few = Cloud(cloud.mean[rows], cloud.variance[rows], cloud.shared)
    (mean, variance), (other_mean, other_variance) = few.along(directions), reference.along(directions)
    reach = max(8.0, float((mean.abs() + 6 * variance.sqrt()).max()))
    points = torch.linspace(-reach, reach, POINTS_TO_CHOOSE, dtype=torch.float64)
    # As in the picture, nothing narrower than the grid is told apart.
    blur = (points[1] - points[0]).square()
    return symmetric_gap(mean, variance + blur, other_mean, other_variance + blur, points)


def _upright(directions: Tensor) -> Tensor:
    """Fix the sign of each direction, which eigenvectors leave open: its largest entry is positive."""
    largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
    return directions * largest.sign()


def _picture(cloud: Cloud, reference: Cloud, plane: Tensor) -> Picture:
    """Evaluate both densities on a grid."""
    (centres, spread), (prior_mean, prior_spread) = cloud.onto(plane), reference.onto(plane)
    reach = min(GREATEST_REACH, max(LEAST_REACH, 1.1 * float(centres.abs().max())))
    axis = torch.linspace(-reach, reach, CELLS, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis).flip(1)
    blur = (0.5 * (axis[1] - axis[0])).square() * torch.eye(2, dtype=torch.float64)
    prior = plane_log_density(points, prior_mean, prior_spread + blur)
    return Picture(centres, axis, prior, plane_log_density(points, centres, spread + blur))


def _places(picture: Picture) -> dict[int, float]:
    """Choose empty cells of greatest excess, and the empty mass that is nearest to each; most mass first."""
    points, empty, excess, chosen = picture.points, picture.empty, picture.excess, list[int]()
    left = empty
    while bool(left.any()) and len(chosen) < HOLES:
        chosen.append(int(excess.where(left, -torch.inf).argmax()))
        left = left & ((points - points[chosen[-1]]).norm(dim=1) >= APART)
    if not chosen:
        return {}
    owner = torch.cdist(points, points[chosen]).argmin(dim=1)
    held = {spot: float(picture.mass[empty & (owner == place)].sum()) for place, spot in enumerate(chosen)}
    return {spot: held[spot] for spot in sorted(held, key=lambda spot: -held[spot]) if held[spot] >= HOLE_MASS}


def _holes(picture: Picture, places: Mapping[int, float], codes: Tensor, first: int) -> list[Hole]:
    """Number the chosen places."""
    points, ratios = picture.points.tolist(), (picture.prior - picture.aggregate).exp().tolist()
    return [
        Hole(number, points[spot][0], points[spot][1], places[spot], ratios[spot], code)
        for number, (spot, code) in enumerate(zip(places, codes, strict=True), start=first)
    ]


def gaussian_rows(posteriors: CodeDistribution) -> bool:
    """Tell whether the rows are Gaussians, which project to Gaussians."""
    return isinstance(posteriors, DiagonalGaussian | SharedNoiseGaussian)
