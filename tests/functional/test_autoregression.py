"""The committed rate against numerical minimisation, and the divergence against dense Gaussians."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from latentia.errors import InputError
from latentia.functional.autoregression import (
    autoregressive_factor,
    autoregressive_kl,
    committed_rate,
    correlation_of_rate,
)


def kl(mean: torch.Tensor, log_variance: torch.Tensor, correlation: float) -> torch.Tensor:
    return autoregressive_kl(mean, log_variance, correlation, torch.ones(mean.shape[:-1], dtype=torch.bool))


def dense_prior(steps: int, correlation: float) -> MultivariateNormal:
    """The autoregression from the definition of its covariance, ``a^|t - s|``."""
    place = torch.arange(steps, dtype=torch.float64)
    return MultivariateNormal(torch.zeros(steps).double(), correlation ** (place[:, None] - place).abs())


@pytest.mark.parametrize(("steps", "correlation"), [(1, 0.7), (2, 0.5), (10, 0.7), (32, 0.9), (22, 0.35), (5, 0.0)])
def test_the_committed_rate_is_the_numerical_minimum(steps, correlation):
    mean = torch.randn(steps, 1, dtype=torch.float64, requires_grad=True)
    log_variance = torch.randn(steps, 1, dtype=torch.float64, requires_grad=True)
    settings = {"tolerance_grad": 1e-12, "tolerance_change": 1e-16, "line_search_fn": "strong_wolfe"}
    optimizer = torch.optim.LBFGS([mean, log_variance], max_iter=2000, history_size=50, **settings)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        cost = kl(mean, log_variance, correlation)
        cost.backward()
        return cost

    optimizer.step(closure)
    least = committed_rate(correlation, torch.tensor(steps)).item()
    assert closure().item() == pytest.approx(least, abs=1e-6)


@pytest.mark.parametrize("correlation", [0.2, 0.9])
def test_the_minimum_is_where_it_is_said_to_be(correlation):
    variance = torch.full((6, 1), (1 - correlation**2) / (1 + correlation**2), dtype=torch.float64)
    variance[[0, -1]] = 1 - correlation**2
    value = kl(torch.zeros(6, 1).double(), variance.log(), correlation).item()
    assert value == pytest.approx(committed_rate(correlation, torch.tensor(6)).item(), abs=1e-6)


def test_the_divergence_is_that_of_dense_gaussians():
    mean, log_variance = torch.randn(7, 1).double(), torch.randn(7, 1).double()
    dense = MultivariateNormal(mean[:, 0], torch.diag(log_variance[:, 0].exp()))
    torch.testing.assert_close(kl(mean, log_variance, 0.8), kl_divergence(dense, dense_prior(7, 0.8)))


def test_the_innovation_keeps_the_variance_of_every_step_at_one():
    """With an innovation variance of 1 instead of 1 - a^2 it would grow to 1 / (1 - a^2)."""
    factor = autoregressive_factor(0.9, 40, torch.empty(0, dtype=torch.float64))
    torch.testing.assert_close(factor @ factor.T, dense_prior(40, 0.9).covariance_matrix)


@pytest.mark.parametrize(("rate", "steps"), [(0.0, 9), (0.01, 2), (1.25, 22), (20.0, 22)])
def test_the_correlation_of_a_rate_commits_to_it(rate, steps):
    correlation = correlation_of_rate(rate, steps)
    assert committed_rate(correlation, torch.tensor(steps)).item() == pytest.approx(rate, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("rate", "steps"), [(-1.0, 5), (math.nan, 5), (40.0, 22), (1.0, 1)])
def test_rates_that_nothing_commits_to_are_refused(rate, steps):
    with pytest.raises(InputError, match="nats over"):
        correlation_of_rate(rate, steps)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1 - 1e-6])
@pytest.mark.parametrize("log_variance", [-14.0, 14.0])
def test_finite_with_finite_gradients_at_the_ends(correlation, log_variance):
    mean = torch.full((4, 2), 30.0, requires_grad=True)
    spread = torch.full((4, 2), log_variance, requires_grad=True)
    cost = kl(mean, spread, correlation)
    cost.backward()
    assert all(value.isfinite().all() for value in (cost, mean.grad, spread.grad))
