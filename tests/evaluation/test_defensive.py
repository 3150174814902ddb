"""Defensive importance sampling against an evidence known by quadrature."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentia.distributions import DiagonalGaussian, GaussianMixture, HypersphericalUniform, PowerSpherical
from latentia.evaluation import DefensiveImportance
from latentia.evaluation.defensive import defensive_weights
from latentia.evaluation.sequences import scorer
from latentia.functional.importance import effective_sample_size, largest_weight, log_mean_exp
from latentia.records import Batch
from tests.evaluation.small import exact_evidence, one_dimensional
from tests.laws.tables import subject

WORDS, ROWS = [4, 5], 400


def repeated(model, posterior: tuple[float, float], samples: int, of_prior: int) -> tuple[Tensor, Tensor]:
    """Estimates of one sequence, many times over, under a posterior of given mean and log-variance."""
    proposal = DiagonalGaussian(*(torch.full((ROWS, 1), value) for value in posterior))
    with torch.no_grad():
        score = scorer(model, Batch.collate([WORDS] * ROWS))
        return tuple(map(log_mean_exp, defensive_weights(score, model.prior(), proposal, samples, of_prior)))


def mean_and_error(values: Tensor) -> tuple[float, float]:
    return values.mean().item(), values.std().item() / math.sqrt(len(values))


def test_a_posterior_that_misses_mass_biases_the_plain_estimate_and_not_the_defensive_one():
    model = one_dimensional()
    exact = exact_evidence(model, Batch.collate([WORDS]))[0].item()
    plain, defensive = repeated(model, (1.5, -5.0), 50, 10)
    (value, error), (wrong, _) = mean_and_error(defensive.exp()), mean_and_error(plain)
    assert wrong < exact - 1.0
    assert value == pytest.approx(math.exp(exact), abs=4 * error)
    assert exact - 0.2 < defensive.mean().item() < exact + 4 * mean_and_error(defensive)[1]


@pytest.mark.parametrize("of_prior", [0, 1, 10, 25])
def test_both_are_unbiased_for_the_probability(of_prior):
    """For any counts, where the mixture has the shares that were drawn; with those that were asked for it is not."""
    model = one_dimensional()
    exact = exact_evidence(model, Batch.collate([WORDS]))[0].exp().item()
    for each in repeated(model, (1.0, 0.0), 26, of_prior):
        value, error = mean_and_error(each.exp())
        assert value == pytest.approx(exact, abs=4 * error)
        assert error < 0.02 * exact


def test_without_draws_from_the_prior_it_is_the_plain_estimate():
    plain, defensive = repeated(one_dimensional(), (0.3, 0.5), 5, 0)
    torch.testing.assert_close(plain, defensive)


@pytest.mark.parametrize("space", ["mixture", "sphere"])
def test_on_mixtures_and_spheres_the_weights_of_no_evidence_average_one(space):
    """Where the likelihood is 1 everywhere, so is the evidence."""
    direction = torch.nn.functional.normalize(torch.randn(ROWS, 3), dim=-1)
    prior, posterior = {
        "mixture": (
            GaussianMixture(DiagonalGaussian(2 * torch.randn(5, 3), torch.zeros(5, 3))),
            DiagonalGaussian(torch.randn(ROWS, 3), torch.full((ROWS, 3), -2.0)),
        ),
        "sphere": (HypersphericalUniform(torch.zeros(3)), PowerSpherical(direction, torch.full((ROWS,), 20.0))),
    }[space]
    _, defensive = defensive_weights(lambda codes: codes.new_zeros(codes.shape[:2]), prior, posterior, 50, 10)
    assert defensive.max().item() <= math.log(5) + 1e-4
    value, error = mean_and_error(defensive.exp().mean(dim=0))
    assert value == pytest.approx(1.0, abs=4 * error)


def test_the_share_that_is_named_is_the_one_drawn():
    assert [DefensiveImportance(samples, share).of_prior for samples, share in ((1, 0.2), (2, 0.9), (10, 0.04))] == [
        0,
        1,
        1,
    ]
    result = DefensiveImportance(samples=3, share=0.1, sequences=4).measure(subject())
    assert result["defensive"]["estimator"] == "nll_defensive(3, 0.333)"
    plain, mixed = result["posterior"]["nll"]["value"], result["defensive"]["nll"]["value"]
    assert result["difference"]["value"] == pytest.approx(plain - mixed, abs=1e-5)


def test_weights_of_one_draw_and_of_like_draws():
    one, like = torch.tensor([0.0, -200.0, -200.0]), torch.full((4,), -90.0)
    assert [largest_weight(each).item() for each in (one, like)] == [1.0, 0.25]
    assert [effective_sample_size(each).item() for each in (one, like)] == [1.0, 4.0]
