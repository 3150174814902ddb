"""Mixtures seen in a plane, against torch's Gaussians, closed forms and draws."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from latentia.functional.plane import (
    conditional_mean,
    levels_of_mass,
    plane_covariance,
    plane_log_density,
    symmetric_gap,
)


@pytest.fixture
def mixture():
    torch.manual_seed(0)
    mean, variance = torch.randn(5, 4).double(), torch.rand(5, 4).double() + 0.2
    plane = torch.linalg.qr(torch.randn(4, 2).double()).Q
    return mean, variance, plane


@pytest.mark.parametrize("chunk", [3, 2**22])
def test_the_density_of_a_projection_is_that_of_projected_gaussians(mixture, chunk):
    mean, variance, plane = mixture
    points = torch.randn(7, 2).double()
    each = [MultivariateNormal(m @ plane, plane.T @ v.diag() @ plane) for m, v in zip(mean, variance, strict=True)]
    expected = torch.stack([one.log_prob(points) for one in each]).logsumexp(0) - math.log(5)
    density = plane_log_density(points, mean @ plane, plane_covariance(variance, plane), chunk)
    torch.testing.assert_close(density, expected)


def test_the_expected_code_of_a_standard_normal_is_zero_outside_of_the_plane(mixture):
    plane, points = mixture[2], torch.randn(3, 2).double()
    lifted = conditional_mean(points, plane, torch.zeros(1, 4).double(), torch.ones(1, 4).double())
    torch.testing.assert_close(lifted, points @ plane.T)


def test_the_expected_code_is_the_mean_of_draws_seen_there(mixture):
    mean, variance, plane = mixture
    torch.manual_seed(1)
    draws = mean.repeat(200_000, 1) + variance.sqrt().repeat(200_000, 1) * torch.randn(1_000_000, 4).double()
    point = torch.tensor([[0.3, -0.4]]).double()
    near = draws[(draws @ plane - point).norm(dim=1) < 0.1]
    error = near.std(dim=0) / len(near) ** 0.5
    assert ((conditional_mean(point, plane, mean, variance)[0] - near.mean(dim=0)).abs() < 5 * error).all()


def test_the_gap_of_gaussians_has_its_closed_form():
    points = torch.linspace(-12, 12, 2001).double()
    mean, variance = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[1.0, 0.25]]).double()
    gap = symmetric_gap(mean, variance, torch.zeros(1, 2).double(), torch.ones(1, 2).double(), points)
    # Of N(1, 1) and N(0, 1) one half in either direction; of N(0, v) and N(0, 1) (v + 1/v - 2) / 2 together.
    torch.testing.assert_close(gap, torch.tensor([1.0, (0.25 + 4 - 2) / 2]).double())


def test_levels_enclose_the_stated_mass_of_a_normal():
    axis = torch.linspace(-5, 5, 401).double()
    points = torch.cartesian_prod(axis, axis)
    density = plane_log_density(points, torch.zeros(1, 2).double(), torch.eye(2)[None].double())
    for share, level in zip((0.5, 0.9), levels_of_mass(density, (0.5, 0.9)), strict=True):
        # The mass within radius r is 1 - exp(-r^2 / 2), and the density there (1 - share) / 2 pi.
        assert level == pytest.approx(math.log((1 - share) / (2 * math.pi)), abs=0.01)
