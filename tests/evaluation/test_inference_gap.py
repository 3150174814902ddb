"""Gaps of amortisation and of approximation, where both are closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from latentia.distributions import DiagonalGaussian
from latentia.evaluation import AnnealedImportance, InferenceGap
from latentia.evaluation.inference_gap import refined_posterior
from tests.laws.tables import HEADS, subject
from tests.oracles.linear_gaussian import LinearGaussian

MEASURE = InferenceGap(steps=150, learning_rate=0.1, draws=8, samples=300)
MEASURE_ONCE = InferenceGap(steps=2, draws=2, samples=5, sequences=6)


def divergence(posterior: DiagonalGaussian, oracle: LinearGaussian) -> Tensor:
    """KL from the exact posterior, which is the gap of a bound."""
    return kl_divergence(
        MultivariateNormal(posterior.mean, torch.diag_embed(posterior.variance)), oracle.exact_posterior()
    )


@pytest.mark.parametrize(("spread", "angle"), [(3.0, 0.0), (0.3, 0.0), (1.0, 0.6), (3.0, 0.6)])
def test_gaps_are_the_closed_forms(spread, angle):
    """A recogniser of the wrong width, and a code turned so that no diagonal Gaussian is exact."""
    oracle = LinearGaussian(spread=spread, angle=angle)
    precision = torch.eye(2) + oracle.weight.T @ oracle.weight / oracle.noise**2
    least = 0.5 * (precision.diagonal().log().sum() - precision.logdet()).item()
    assert (least > 0.3) == (angle > 0)
    elbo, refined, log_evidence = MEASURE.bounds(oracle.explain, oracle.posterior())
    total = divergence(oracle.posterior(), oracle).mean().item()
    assert (refined - elbo).mean().item() == pytest.approx(total - least, abs=0.03)
    assert (log_evidence - refined).mean().item() == pytest.approx(least, abs=0.03)
    assert log_evidence.mean().item() == pytest.approx(oracle.evidence().mean().item(), abs=0.02)
    assert elbo.mean().item() == pytest.approx(oracle.evidence().mean().item() - total, abs=0.1)


def test_refined_posteriors_are_the_best_of_the_family():
    oracle = LinearGaussian(spread=3.0, angle=0.6)
    refined = refined_posterior(oracle.explain, oracle.posterior(), 300, 0.1, 16)
    exact = oracle.exact_posterior()
    torch.testing.assert_close(refined.mean, exact.mean, atol=0.05, rtol=0)
    precision = exact.precision_matrix.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(refined.log_variance, -precision.log(), atol=0.2, rtol=0)


def test_noise_is_fresh_at_each_step_and_of_the_evaluation():
    """One that learned its noise by heart would have posteriors of no width and a bound that fresh draws refute."""
    oracle, seen = LinearGaussian(examples=2), []

    def watched(posterior, draws):
        run = oracle.explain(posterior, draws)
        seen.append(((run.latents[0].sample - posterior.mean) / posterior.stddev).detach())
        return run

    InferenceGap(steps=3, draws=4, samples=4).bounds(watched, oracle.posterior())
    *of_steps, of_encoder, of_refined = seen
    assert all(not a.allclose(b) for place, a in enumerate(of_steps) for b in [*of_steps[:place], of_encoder])
    torch.testing.assert_close(of_encoder, of_refined, atol=1e-4, rtol=0)


def test_an_exact_recogniser_leaves_nothing_to_refine():
    oracle = LinearGaussian()
    elbo, refined, log_evidence = MEASURE.bounds(oracle.explain, oracle.posterior())
    assert (refined - elbo).mean().item() == pytest.approx(0, abs=0.02)
    assert (log_evidence - refined).mean().item() == pytest.approx(0, abs=0.02)


def test_examples_do_not_see_each_other():
    oracle = LinearGaussian(examples=3, spread=2.0)
    torch.manual_seed(1)
    before = refined_posterior(oracle.explain, oracle.posterior(), 5, 0.1, 2)
    oracle.data[0] += 5
    torch.manual_seed(1)
    start = LinearGaussian(examples=3, spread=2.0).posterior()
    after = refined_posterior(oracle.explain, start, 5, 0.1, 2)
    torch.testing.assert_close(before.mean[1:], after.mean[1:])
    assert not before.mean[0].allclose(after.mean[0])


@pytest.mark.parametrize("measure", [MEASURE_ONCE, AnnealedImportance(temperatures=3, chains=2, sequences=4)])
def test_posteriors_of_shared_noise_are_measured_too(measure):
    examined = subject()
    examined.model.encoder.posterior = HEADS["LinearNoiseHead"]().eval()
    result = measure.measure(examined)
    assert all(math.isfinite(node["value"]) for node in result.values() if isinstance(node, dict) and "value" in node)


def test_gaps_add_up_and_nothing_is_dropped_out():
    examined = subject()
    result = MEASURE_ONCE.measure(examined)
    total = result["amortisation_gap"]["value"] + result["approximation_gap"]["value"]
    assert total == pytest.approx(-result["nll_iw"]["value"] - result["elbo"]["value"], abs=1e-4)
    assert math.isfinite(total)
    assert not examined.model.training
