"""The two-sample statistic."""

from __future__ import annotations

import math

import torch

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
