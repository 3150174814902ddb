"""Codes and factors, against integrals and the definitions written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from latentia.functional.factors import completeness, disentanglement, entropy, information_gaps, pointwise_information


def information(codes: Tensor, mean: Tensor, log_variance: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
    each = pointwise_information(codes, mean, log_variance, factors)
    return each.mean(dim=0), each.std(dim=0) / math.sqrt(len(each))


def two_levels(share: float, distance: float) -> float:
    """Information between a level of this share and a standard normal whose mean it moves, by quadrature."""
    z = torch.linspace(-12, 12 + distance, 20001, dtype=torch.float64)
    low, high = (Normal(torch.tensor(mean, dtype=torch.float64), 1).log_prob(z).exp() for mean in (0.0, distance))
    both = (1 - share) * low + share * high
    integrand = (1 - share) * low * (low / both).log() + share * high * (high / both).log()
    return torch.trapezoid(integrand.nan_to_num(), z).item()


@pytest.mark.parametrize("share", [0.5, 0.2])
@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0])
def test_information_is_that_of_the_integral(share, distance):
    count = 2000
    factor = (torch.arange(count) < share * count).long()
    mean = distance * factor.double()[:, None]
    codes = mean + torch.randn(count, 1)
    value, error = information(codes, mean, torch.zeros(count, 1), factor[:, None])
    assert value.item() == pytest.approx(two_levels(share, distance), abs=3 * error.item() + 1e-9)


def test_the_mixture_of_posteriors_is_used_and_not_the_spread_of_means():
    """Means that tell the factor without fail tell nothing through a posterior that is much wider."""
    factor = torch.arange(1000) % 2
    mean = factor.double()[:, None]
    wide = torch.full((1000, 1), math.log(100.0**2))
    value, _ = information(mean + 100 * torch.randn(1000, 1), mean, wide, factor[:, None])
    assert abs(value.item()) < 1e-3


def test_chunks_change_nothing_and_factors_do_not_mix():
    factors = torch.stack([torch.arange(60) % 2, torch.arange(60) % 3], dim=1)
    mean, log_variance = torch.randn(60, 4), torch.randn(60, 4)
    codes = mean + (0.5 * log_variance).exp() * torch.randn(60, 4)
    whole = pointwise_information(codes, mean, log_variance, factors)
    torch.testing.assert_close(pointwise_information(codes, mean, log_variance, factors, chunk=100), whole)
    for column in range(2):
        alone = pointwise_information(codes, mean, log_variance, factors[:, [column]])
        torch.testing.assert_close(alone[:, :, 0], whole[:, :, column])


def test_gaps_are_shares_of_the_entropy_of_the_factor():
    """Divided by the logarithm of the levels, a rare level would keep a perfect code below 1."""
    factor = (torch.arange(1000) < 100).long()
    mean = torch.stack([10.0 * factor, torch.zeros(1000)], dim=1).double()
    codes = mean + torch.randn(1000, 2)
    value, _ = information(codes, mean, torch.zeros(1000, 2), factor[:, None])
    gap = information_gaps(value, entropy(torch.tensor([[900.0, 100.0]])))
    assert gap.item() == pytest.approx(1, abs=0.02)
    assert value.max().item() / math.log(2) < 0.5


def test_two_dimensions_that_know_the_same_leave_no_gap():
    known = torch.tensor([[0.6, 0.1], [0.6, 0.4], [0.0, 0.0]]).double()
    assert information_gaps(known, torch.tensor([0.6, 0.5]).double()).tolist() == pytest.approx([0, 0.6])


def test_disentanglement_and_completeness_are_the_definitions_written_out():
    importance = torch.rand(5, 3).double()
    rows, columns = importance / importance.sum(1, keepdim=True), importance / importance.sum(0, keepdim=True)
    alone = [1 + sum(p * math.log(p, 3) for p in row) for row in rows.tolist()]
    weights = (importance.sum(1) / importance.sum()).tolist()
    expected = sum(weight * each for weight, each in zip(weights, alone, strict=True))
    assert disentanglement(importance).item() == pytest.approx(expected)
    expected = [1 + sum(p * math.log(p, 5) for p in column) for column in columns.T.tolist()]
    assert completeness(importance).tolist() == pytest.approx(expected)


def test_a_code_of_several_dimensions_a_factor_is_disentangled_and_not_complete():
    importance = torch.tensor([[0.5, 0.0], [0.5, 0.0], [0.0, 1.0], [0.0, 0.0]])
    assert disentanglement(importance).item() == pytest.approx(1)  # the last dimension, of no use, has no weight
    assert completeness(importance).tolist() == pytest.approx([0.5, 1])
    assert disentanglement(torch.tensor([[1.0, 1.0], [0.0, 0.0]])).item() == pytest.approx(0)
    assert completeness(torch.tensor([[1.0, 1.0], [0.0, 0.0]])).tolist() == pytest.approx([1, 1])


def test_a_factor_that_no_dimension_knows_has_no_completeness():
    """Its shares are all 0, whose entropy looks like that of a single dimension."""
    assert completeness(torch.tensor([[1.0, 0.0], [0.0, 0.0]])).isnan().tolist() == [False, True]
