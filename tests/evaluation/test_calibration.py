"""Calibration against predictions whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.autograd.functional import hessian, jacobian

from latentia.data import Selection
from latentia.evaluation import Calibration
from latentia.evaluation.calibration import predictions, sweeper
from latentia.evaluation.reliability import Reliability
from latentia.functional.calibration import (
    LOWER,
    UPPER,
    Sweep,
    calibration_error,
    cells,
    derivatives,
    edges_of_cells,
    equal_mass,
    equal_width,
    fit,
    histogram,
    in_bins,
    recalibrated,
)
from latentia.shapes import EOS
from tests.laws.tables import subject

WORDS = 12


def drawn(sequences: int, steps: int, scale: float = 1.0, eos: float = 0.0) -> list:
    """Tokens drawn from logits, and what a model says that multiplies these and adds to that of EOS."""
    logits = 1.5 * torch.randn(sequences, steps, WORDS)
    tokens = torch.distributions.Categorical(logits=logits).sample()
    said = scale * logits
    said[..., EOS] += eos
    return list(zip(torch.log_softmax(said, dim=-1), tokens, strict=True))


def measured(sequences: list, bins: int = 10, resamples: int = 30) -> dict:
    reliability = Reliability(bins, resamples)
    reliability.add(sequences, torch.empty(len(sequences), resamples, dtype=torch.float64).exponential_())
    return reliability.summary()


def fitted(sequences: list, terms: int = 1):
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)[:terms]
    return fit(sweeper(lambda: iter([sequences])), start)


def shown(sequences: list, weights: torch.Tensor) -> list:
    return [(recalibrated(p, weights.float(), EOS), x) for p, x in sequences]


@pytest.mark.parametrize("name", ["weighted_ece", "top1_ece", "eos_ece", "weighted_ece_without_eos"])
def test_a_model_is_calibrated_for_its_own_draws(name):
    few, many = measured(drawn(20, 20))[name], measured(drawn(20, 3000))[name]
    assert many["value"] < few["value"] / 2
    assert many["value"] < 0.01


def test_logits_times_two_have_a_temperature_of_two():
    found = fitted(drawn(20, 4000, scale=2.0))
    error = found.covariance[0, 0].sqrt().item() / found.weights[0].item() ** 2
    assert 1 / found.weights[0].item() == pytest.approx(2, abs=0.02)
    assert 0.001 < error < 0.02


def test_top_1_error_is_that_of_a_plain_loop():
    sequences, bins = drawn(2, 500, scale=1.7), 10
    gaps, total = [0.0] * bins, 0
    for log_probabilities, tokens in sequences:
        for row, token in zip(log_probabilities.double().exp().tolist(), tokens.tolist(), strict=True):
            confidence = max(row)
            gaps[min(bins - 1, int(confidence * bins))] += (row.index(confidence) == token) - confidence
            total += 1
    plain = sum(abs(gap) for gap in gaps) / total
    assert measured(sequences, bins)["top1_ece_equal_width"]["value"] == pytest.approx(plain, abs=1e-6)


def test_weighted_error_is_that_of_a_plain_loop():
    sequences, bins = drawn(2, 500, scale=1.7), 10
    gaps = np.zeros(bins)
    for log_probabilities, tokens in sequences:
        for row, token in zip(log_probabilities.double().exp().numpy(), tokens.tolist(), strict=True):
            np.add.at(gaps, (row * bins).astype(int), row * ((np.arange(WORDS) == token) - row))
    plain = np.abs(gaps).sum() / 1000
    assert measured(sequences, bins)["weighted_ece_equal_width"]["value"] == pytest.approx(plain, abs=1e-6)


def test_bins_of_equal_mass_hold_about_as_many_each_and_have_the_error_of_their_edges():
    sequences, bins = drawn(4, 1000, scale=1.7), 8
    found = measured(sequences, bins)
    rows = found["diagrams"]["top1"]
    assert [row["count"] for row in rows] == pytest.approx([4000 / bins] * bins, rel=0.15)
    probabilities, tokens = (torch.cat(column) for column in zip(*sequences, strict=True))
    confidence, choice = probabilities.exp().max(dim=-1)
    place = np.digitize(confidence, [row["from"] for row in rows[1:]])
    gaps = np.bincount(place, weights=(choice == tokens).double() - confidence.double())
    assert found["top1_ece"]["value"] == pytest.approx(np.abs(gaps).sum() / len(tokens), abs=1e-5)


@pytest.mark.parametrize(("bins", "top", "all_tokens"), [(5, 1.05 / 3, 1.05 / 3), (1, 0.35 / 3, 0.385 / 3)])
def test_two_words_by_hand(bins, top, all_tokens):
    """Words of 0.85, 0.85 and 0.65 at three steps, of which the first and the last come."""
    said = torch.tensor([[0.85, 0.15], [0.85, 0.15], [0.65, 0.35]]).log()
    came = torch.tensor([0, 1, 0])
    chosen, first = said.gather(1, came[:, None]), said[:, 0]
    of_top = histogram(first, first[came == 0], bins, by_probability=False)
    of_all = histogram(said, chosen, bins, by_probability=True)
    for sums, expected in ((of_top, top), (of_all, all_tokens)):
        error = calibration_error(in_bins(sums[None], equal_width(bins), bins))
        assert error.item() == pytest.approx(expected, abs=1e-6)


def test_what_is_wrong_with_eos_alone_is_found_and_mended_by_its_term_alone():
    sequences = drawn(20, 2000, eos=1.5)
    before = measured(sequences)
    assert before["expected_eos"]["value"] > 2
    assert before["weighted_ece_without_eos"]["value"] < 0.004 < 0.05 < before["eos_ece"]["value"]
    temperature, with_eos = fitted(sequences), fitted(sequences, 2)
    after = measured(shown(sequences, temperature.weights))
    mended = measured(shown(sequences, with_eos.weights))
    assert after["eos_ece"]["value"] > 0.7 * before["eos_ece"]["value"]
    assert mended["eos_ece"]["value"] < 0.1 * before["eos_ece"]["value"]
    assert mended["expected_eos"]["value"] == pytest.approx(1, abs=0.01)
    assert with_eos.weights.tolist() == pytest.approx([1, -1.5], abs=0.05)


def test_derivatives_are_those_of_the_cost():
    (log_probabilities, tokens), *_ = drawn(1, 20)
    weights = torch.tensor([0.7, -0.4], dtype=torch.float64)

    def cost(at: torch.Tensor) -> torch.Tensor:
        scores = at[0] * log_probabilities.double()
        scores = scores + at[1] * torch.nn.functional.one_hot(torch.tensor(EOS), WORDS)
        return -torch.log_softmax(scores, dim=-1).gather(1, tokens[:, None]).sum()

    value, gradient, curvature = derivatives(log_probabilities, tokens, weights, EOS)
    assert value.sum().item() == pytest.approx(cost(weights).item(), rel=1e-5)
    torch.testing.assert_close(gradient.sum(0), jacobian(cost, weights), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(curvature.sum(0), hessian(cost, weights), rtol=1e-3, atol=1e-3)


def test_a_step_that_climbs_is_halved():
    """A full step from 6 down the cost log cosh(3 (w - 1)) overshoots beyond the limits, again and again."""

    def sweep(weights: torch.Tensor) -> Sweep:
        at = 3 * (weights - 1)
        slope = 3 * at.tanh()
        return Sweep(at.cosh().log().item(), slope, (9 / at.cosh() ** 2)[:, None], slope[:, None] ** 2)

    assert fit(sweep, torch.tensor([1.6], dtype=torch.float64)).weights.item() == pytest.approx(1, abs=1e-3)


def test_a_fit_without_a_minimum_stays_within_its_limits():
    """Always the most probable token: the likelihood rises with every degree."""
    sequences = [(p, p.argmax(dim=-1)) for p, _ in drawn(2, 30)]
    found = fitted(sequences, 2).weights
    assert (found >= LOWER).all()
    assert (found <= UPPER).all()


def test_the_error_is_one_over_sequences():
    """A sequence that repeats one step is worth one step, not fifty."""
    once = drawn(100, 1)
    repeated = [(p.expand(50, -1), x.expand(50)) for p, x in once]
    costs = torch.stack([-p[0, x[0]] for p, x in once])
    exact = costs.std().item() / math.sqrt(100)
    errors = [measured(each, resamples=400)["nll_a_token"]["standard_error"] for each in (once, repeated)]
    assert errors == pytest.approx([exact, exact], rel=0.2)
    narrow, wide = (fitted(each).covariance.item() for each in (once, repeated))
    assert wide == pytest.approx(narrow, rel=1e-3)


def test_predictions_are_those_of_the_likelihood_and_hold_no_padding():
    examined = subject()
    total, steps = 0.0, 0
    for batch in predictions(examined, examined.held_out):
        for log_probabilities, tokens in batch:
            total += log_probabilities.gather(1, tokens[:, None]).sum().item()
            steps += len(tokens)
    whole = examined.held_out.corpus.batch(examined.held_out.rows)
    assert not whole.equal_length
    with torch.no_grad():
        expected = examined.model.decoder(examined.model.centres(whole, examined.steps)[None]).log_prob(whole)
    assert total == pytest.approx(expected.sum().item(), rel=1e-5)
    assert steps == whole.token_count


def test_few_log_probabilities_are_held_at_once(monkeypatch):
    examined = subject()
    monkeypatch.setattr("latentia.evaluation.calibration.LOG_PROBABILITIES_AT_A_TIME", 1)
    sizes = [len(batch) for batch in predictions(examined, examined.held_out)]
    assert sizes == [1] * len(examined.held_out)


def test_nothing_is_measured_on_what_was_fitted():
    examined, calibration = subject(), Calibration()
    ours, theirs = calibration._split(examined)
    assert sorted([*ours.rows, *theirs.rows]) == sorted(examined.held_out.rows)
    assert calibration.measure(examined)["fitted_on"] == "half of the held-out sequences"
    corpus = examined.held_out.corpus
    apart = replace(examined, held_out=Selection(corpus, np.arange(8)), validation=Selection(corpus, np.arange(8, 16)))
    ours, theirs = calibration._split(apart)
    assert (sorted(ours.rows), sorted(theirs.rows)) == (list(range(8, 16)), list(range(8)))
    assert calibration.measure(apart)["fitted_on"] == "validation"


def test_too_few_sequences_are_refused():
    examined = subject()
    assert "fewer than two" in Calibration().unfit(replace(examined, held_out=examined.held_out.first(1)))
    assert not Calibration().unfit(examined)


@pytest.mark.parametrize("bins", [1, 3, 20])
def test_cells_are_in_order_and_keep_the_edges_of_equal_bins(bins):
    probability = torch.cat([torch.logspace(-12, 0, 4001), torch.linspace(0, 1, 4001)[1:]]).sort().values
    place, edges = cells(probability.log(), bins), edges_of_cells(bins)
    assert (place.diff() >= 0).all()
    assert len(edges) == len(equal_width(bins)) + 1
    assert (edges[place] <= probability + 1e-5).all()
    assert (edges[place + 1] >= probability - 1e-5).all()
    inside = (probability * bins % 1 - 0.5).abs() < 0.499
    assert equal_width(bins)[place[inside]].equal((probability[inside] * bins).long())


def test_equal_mass_of_ties_leaves_bins_empty():
    assert equal_mass(torch.tensor([0.0, 100.0, 0.0, 1.0]), 4).tolist() == [0, 1, 3, 3]
