"""The two-sample statistic."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import kstest

from latentia.functional.discrepancy import maximum_mean_discrepancy


def statistics(shift: float, draws: int = 200) -> torch.Tensor:
    values = [maximum_mean_discrepancy(torch.randn(64, 8) + shift, torch.randn(64, 8), 16.0) for _ in range(draws)]
    return torch.stack(values).double()


def test_it_is_zero_on_average_for_one_distribution_and_negative_about_as_often_as_not():
    values = statistics(0.0)
    assert values.mean().abs() < 3 * values.std() / math.sqrt(len(values))
    assert 0.3 < (values < 0).double().mean() < 0.8


def test_it_is_far_above_zero_for_a_shifted_one():
    values = statistics(0.5)
    assert values.mean() > 5 * values.std() / math.sqrt(len(values))


def test_it_equals_its_definition():
    z, y = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return 6 / (6 + torch.cdist(a, b).square())

    off = ~torch.eye(5, dtype=torch.bool)
    expected = (kernel(z, z)[off].sum() + kernel(y, y)[off].sum()) / 20 - 2 * kernel(z, y).mean()
    torch.testing.assert_close(maximum_mean_discrepancy(z, y, 6.0), expected)


def test_gradients_equal_finite_differences():
    z, y = torch.randn(6, 3, dtype=torch.float64, requires_grad=True), torch.randn(6, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda sample: maximum_mean_discrepancy(sample, y, 6.0), z)


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e3, 1e4])
def test_identical_codes_far_away_are_measured_in_float32(offset):
    """Their squared distances are small differences of large numbers."""
    codes, reference = (offset * torch.randn(32)).repeat(64, 1).requires_grad_(), torch.randn(64, 32)
    measured = maximum_mean_discrepancy(codes, reference, 64.0)
    measured.backward()
    exact = maximum_mean_discrepancy(codes.detach().double(), reference.double(), 64.0)
    assert measured.item() == pytest.approx(exact.item(), rel=1e-4)
    assert codes.grad.isfinite().all()


def test_ranks_among_permutations_of_one_distribution_are_uniform():
    levels = []
    for _ in range(60):
        both = torch.randn(24, 4)
        orders = [torch.arange(24), *(torch.randperm(24) for _ in range(15))]
        measured, *permuted = (maximum_mean_discrepancy(*both[order].chunk(2), 8.0) for order in orders)
        levels.append((sum(value < measured for value in permuted) + torch.rand(())).item() / 16)
    assert kstest(levels, "uniform").pvalue > 0.01
