"""Planes and holes, on clouds whose holes are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentia.distributions import DiagonalGaussian, GaussianMixture, SharedNoiseGaussian
from latentia.reports.planes import HOLES, Plane, telling_planes


def normal(size: int) -> DiagonalGaussian:
    return DiagonalGaussian(torch.zeros(size), torch.zeros(size))


def cloud(mean: Tensor, deviation: float) -> DiagonalGaussian:
    return DiagonalGaussian(mean, torch.full_like(mean, 2 * math.log(deviation)))


def fitting(size: int, deviation: float = 0.5) -> DiagonalGaussian:
    """Posteriors whose mixture is about standard normal."""
    torch.manual_seed(0)
    return cloud((1 - deviation**2) ** 0.5 * torch.randn(400, size), deviation)


def mass_of(log_density: Tensor, plane: Plane) -> float:
    return float(log_density.exp().sum() * (plane.picture.axis[1] - plane.picture.axis[0]) ** 2)


def test_both_densities_integrate_to_one():
    for plane in telling_planes(fitting(5), normal(5)):
        assert mass_of(plane.picture.prior, plane) == pytest.approx(1, abs=1e-3)
        assert mass_of(plane.picture.aggregate, plane) == pytest.approx(1, abs=1e-3)


def test_where_the_aggregate_fits_there_is_no_hole():
    assert not [hole for plane in telling_planes(fitting(6), normal(6)) for hole in plane.holes]


def test_a_gap_along_one_dimension_is_found_and_lifted_to_the_whole_space():
    """Two clusters far apart in dimension 4 leave the middle empty; nothing else differs."""
    posteriors = fitting(6, 0.3)
    mean = posteriors.mean.clone()
    mean[:, 3] = 1.5 * torch.where(torch.arange(len(mean)) % 2 == 0, 1.0, -1.0)
    _, plane = telling_planes(cloud(mean, 0.3), normal(6))
    assert plane.labels[0].startswith("dimension 4 ")
    middle = [hole for hole in plane.holes if abs(hole.x) < 0.5]
    assert middle
    hole = max(middle, key=lambda hole: hole.mass)
    assert hole.code[3] == pytest.approx(hole.x, abs=1e-6)
    assert hole.ratio > 10
    # The mass between the clusters, a tenth of the prior's density and less, is within that of |z| < 1.
    assert 0.05 < sum(each.mass for each in middle) < 0.6827


def test_holes_are_numbered_over_both_planes_and_the_most_massive_come_first():
    torch.manual_seed(1)
    planes = telling_planes(cloud(0.1 * torch.randn(500, 4), 0.1), normal(4))
    numbers = [hole.number for plane in planes for hole in plane.holes]
    assert numbers == list(range(1, len(numbers) + 1))
    for plane in planes:
        assert 1 < len(plane.holes) <= HOLES
        masses = [hole.mass for hole in plane.holes]
        assert masses == sorted(masses, reverse=True)
        assert sum(masses) == pytest.approx(float(plane.picture.mass[plane.picture.empty].sum()), abs=1e-6)


def test_the_noise_that_all_rows_share_is_seen():
    """The same Gaussians once with a covariance for all and once with their own."""
    mean = fitting(3).mean
    shared = SharedNoiseGaussian(mean, 0.5 * torch.eye(3))
    for one, other in zip(telling_planes(shared, normal(3)), telling_planes(cloud(mean, 0.5), normal(3)), strict=True):
        torch.testing.assert_close(one.picture.aggregate, other.picture.aggregate, atol=1e-3, rtol=1e-3)


def test_codes_are_measured_in_units_of_the_prior_and_lifted_back():
    """A mixture of one component far away and wide: the same picture, and codes where the component lies."""
    component = DiagonalGaussian(torch.full((1, 4), 7.0), torch.full((1, 4), math.log(9.0)))
    narrow = cloud(0.1 * torch.randn(300, 4), 0.1)
    moved = DiagonalGaussian(7 + 3 * narrow.mean, narrow.log_variance + math.log(9.0))
    for ours, plain in zip(
        telling_planes(moved, GaussianMixture(component)), telling_planes(narrow, normal(4)), strict=True
    ):
        torch.testing.assert_close(ours.picture.aggregate, plain.picture.aggregate, atol=1e-3, rtol=1e-4)
        for hole, reference in zip(ours.holes, plain.holes, strict=True):
            torch.testing.assert_close(hole.code, 7 + 3 * reference.code, atol=1e-3, rtol=1e-4)


def test_two_dimensions_have_one_plane():
    assert len(telling_planes(fitting(2), normal(2))) == 1
