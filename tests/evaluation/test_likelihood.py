"""The curve of the importance-weighted estimate over its number of draws."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from latentia.evaluation import evaluate, importance_weighted_likelihood
from latentia.evaluation.likelihood import importance_weights
from latentia.functional.importance import grouped_log_mean_exp, ladder, log_mean_exp, mean_and_standard_error
from latentia.records import Batch
from tests.laws.tables import model
from tests.oracles.linear_gaussian import LinearGaussian

BATCHES = [Batch.collate([[4, 5], [6, 6]] * 60), Batch.collate([[4], [5]] * 60)]


def misplaced():
    """A model whose posteriors are far from the true ones, so that few draws and many differ by much."""
    vae = model().eval()
    head = vae.encoder.posterior.parameters_of
    head.weight.data.zero_()
    head.bias.data.copy_(torch.tensor([2.0, -2.0, 2.0, 0.5, 0.5, 0.5]))
    return vae


def test_the_ladder_ends_at_its_largest():
    assert ladder(1) == [1]
    assert ladder(5) == [1, 2, 5]
    assert ladder(100) == [1, 2, 5, 10, 20, 50, 100]
    assert ladder(7) == [1, 2, 5, 7]


def test_under_the_exact_posterior_every_point_is_the_evidence():
    oracle = LinearGaussian()
    log_weights = importance_weights(oracle.run(10))
    for size in ladder(10):
        torch.testing.assert_close(grouped_log_mean_exp(log_weights, size), oracle.evidence(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("size", [1, 2, 5, 20])
def test_groups_of_many_draws_are_unbiased_for_the_bound_of_so_many(size):
    oracle = LinearGaussian(spread=2.0)
    many = importance_weights(oracle.run(43 * 150)).unflatten(0, (43, 150))
    ours = grouped_log_mean_exp(many, size).mean(dim=1)
    alone = log_mean_exp(importance_weights(oracle.run(size * 600)).unflatten(0, (size, 600))).mean(dim=1)
    error = math.hypot(ours.std().item() / math.sqrt(150), alone.std().item() / math.sqrt(600))
    assert ours.mean().item() == pytest.approx(alone.mean().item(), abs=4 * error)
    assert ours.std() < alone.std()


@pytest.mark.parametrize("every", [1, 4])
def test_the_curve_falls_from_the_negative_elbo_to_the_estimate(every):
    measured = importance_weighted_likelihood(misplaced(), BATCHES, 100, every=every)
    assert list(measured.curve) == [1, 2, 5, 10, 20, 50, 100]
    assert measured.curve[100].equal(measured.nll_iw)
    assert all(point.isfinite().all() for point in measured.curve.values())
    # Of the same sequences: what differs is the noise of the draws.
    value, error = mean_and_standard_error(measured.curve[1] + measured.elbo)
    assert value == pytest.approx(0, abs=4 * error)
    points = list(measured.curve.values())
    falls = [mean_and_standard_error(before - after) for before, after in pairwise(points)]
    assert all(value > -3 * error for value, error in falls)
    assert sum(value for value, _ in falls) > 0.5


def test_a_curve_of_two_phases_agrees_with_that_of_one():
    one = importance_weighted_likelihood(misplaced(), BATCHES, 100)
    two = importance_weighted_likelihood(misplaced(), BATCHES, 100, every=4)
    for draws in one.curve:
        value, error = mean_and_standard_error(two.curve[draws])
        assert value == pytest.approx(one.curve[draws].mean().item(), abs=3.5 * error)


@pytest.mark.parametrize(("samples", "every"), [(7, 1), (7, 2), (20, 2), (30, 2)])
def test_the_curve_is_reported(samples, every):
    batches = [replace(Batch.collate([[4, 5]] * 8), index=torch.arange(8))]
    result = evaluate(model().eval(), lambda: batches, torch.full((8,), 2), samples, 0, every=every)
    curve = result["nll_iw_curve"]
    assert [point["K"] for point in curve] == ladder(samples)
    assert curve[-1] == {name: result["nll_iw"][name] for name in ("K", "value", "standard_error")}
