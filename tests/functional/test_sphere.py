"""The functions that normalise densities on the sphere, against mpmath's arbitrary precision."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch

from latentia.functional.sphere import log_area, log_partition, mean_cosine

DIMENSIONS = [2, 3, 5, 32, 300, 768, 1024]
CONCENTRATIONS = [1e-6, 1e-3, 0.1, 2.0, 8.0, 13.0, 45.0, 100.0, 1e3, 1e4, 1e6]


def exact(concentration: float, dimension: int) -> tuple[float, float, float, float]:
    """Log-partition, mean cosine, its derivative, and the divergence from the uniform."""
    with mpmath.workdps(40):
        kappa, order = mpmath.mpf(concentration), mpmath.mpf(dimension) / 2 - 1
        bessel, following = mpmath.besseli(order, kappa), mpmath.besseli(order + 1, kappa)
        partition = mpmath.log(mpmath.gamma(order + 1)) + order * mpmath.log(2 / kappa) + mpmath.log(bessel)
        mean = following / bessel
        slope = 1 - mean**2 - (dimension - 1) / kappa * mean
        return tuple(float(value) for value in (partition, mean, slope, kappa * mean - partition))


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("concentration", CONCENTRATIONS)
def test_values_and_gradients_equal_arbitrary_precision(dimension, concentration):
    kappa = torch.tensor(concentration, dtype=torch.float64, requires_grad=True)
    partition, mean = log_partition(kappa, dimension), mean_cosine(kappa, dimension)
    (partition_slope,) = torch.autograd.grad(partition, kappa)
    (mean_slope,) = torch.autograd.grad(mean, kappa, retain_graph=True)
    log_partition_, mean_, slope_, divergence_ = exact(concentration, dimension)
    assert partition.item() == pytest.approx(log_partition_, rel=1e-11)
    assert mean.item() == pytest.approx(mean_, rel=1e-7)
    assert partition_slope.item() == pytest.approx(mean_, rel=1e-7)
    assert mean_slope.item() == pytest.approx(slope_, rel=1e-4)
    assert (kappa * mean - partition).item() == pytest.approx(divergence_, rel=1e-6)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_at_zero_the_density_is_uniform(dimension):
    kappa = torch.zeros((), dtype=torch.float64, requires_grad=True)
    mean = mean_cosine(kappa, dimension)
    assert log_partition(kappa, dimension).item() == mean.item() == 0
    assert torch.autograd.grad(mean, kappa)[0].item() == pytest.approx(1 / dimension)


def test_second_derivatives_are_those_of_finite_differences():
    kappa = torch.tensor([0.7, 5.0, 60.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda k: log_partition(k, 12), kappa)
    assert torch.autograd.gradcheck(lambda k: mean_cosine(k, 12), kappa)
    assert torch.autograd.gradgradcheck(lambda k: log_partition(k, 12), kappa)


def test_areas_of_circle_and_sphere():
    assert math.exp(log_area(2)) == pytest.approx(2 * math.pi)
    assert math.exp(log_area(3)) == pytest.approx(4 * math.pi)
