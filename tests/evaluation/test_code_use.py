"""What swapping codes costs, on models that ignore theirs, need it, or have no noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentia.evaluation import CodeUse, Dominance, Generalisation
from latentia.evaluation.dominance import epsilon_squared
from latentia.nn import SequenceDropout
from tests.laws.tables import subject


def test_a_decoder_that_ignores_its_code_has_nothing_to_lose():
    examined = subject()
    likelihood = examined.model.decoder.score
    examined.model.decoder.score = lambda latent, batch: likelihood(torch.zeros_like(latent), batch)
    start = examined.model.decoder.start
    examined.model.decoder.start = lambda latent: start(torch.zeros_like(latent))
    result = CodeUse().measure(examined)
    for key in ("swap_cost", "prior_cost", "noise_cost", "different_texts"):
        assert result[key]["value"] == pytest.approx(0, abs=1e-5), key


def test_costs_are_differences_of_log_likelihoods():
    """Of a Gaussian-shaped likelihood, whose expected costs are known: E (z - x)^2 / 2 under each kind of code."""
    examined = subject()
    model = examined.model
    head = model.encoder.posterior.parameters_of
    head.weight.data.zero_()
    head.bias.data.copy_(torch.tensor([2.0, 0.0, 0.0, -20.0, -20.0, -20.0]))
    model.decoder.score = lambda latent, batch: (
        -0.5 * (latent[..., :1] - 2).square().expand(*latent.shape[:-1], batch.tokens.shape[1]) / batch.tokens.shape[1]
    )
    result = CodeUse().measure(replace(examined, held_out=replace_rows(examined, 40)))
    assert result["swap_cost"]["value"] == pytest.approx(0, abs=1e-3)
    assert result["noise_cost"]["value"] == pytest.approx(0, abs=1e-3)
    assert result["prior_cost"]["value"] == pytest.approx(2.5, abs=4 * result["prior_cost"]["standard_error"])


def replace_rows(examined: Subject, times: int):
    return replace(examined.held_out, rows=np.tile(examined.held_out.rows, times))


def test_shares_that_groups_explain():
    random = np.random.default_rng(0)
    groups = random.integers(0, 10, 5000)
    noise = random.normal(size=(5000, 3))
    values = np.stack([noise[:, 0], groups + 0.0, groups / np.std(groups) + noise[:, 2]], axis=1)
    assert epsilon_squared(values, groups) == pytest.approx([0, 1, 0.5], abs=0.02)
    # As many groups as half the values, and nothing to explain: a plain correlation ratio would be a half.
    assert abs(epsilon_squared(noise, np.arange(5000) // 2)).max() < 0.05


def test_a_value_of_a_group_of_its_own_explains_nothing():
    assert epsilon_squared(np.arange(4.0)[:, None], np.arange(4)).tolist() == [0.0]
    assert epsilon_squared(np.ones((4, 1)), np.array([0, 0, 1, 1])).tolist() == [0.0]


def test_the_error_of_a_share_is_its_spread_over_corpora():
    random = np.random.default_rng(1)
    from latentia.evaluation.dominance import _explained

    shares, errors = [], []
    for _ in range(60):
        groups = random.integers(0, 5, 300)
        [explained] = _explained((groups + 1.5 * random.normal(size=300))[:, None], groups, random)
        shares.append(explained["value"])
        errors.append(explained["standard_error"])
    assert np.mean(errors) == pytest.approx(np.std(shares), rel=0.3)


def test_a_dimension_that_counts_tokens_is_found():
    examined = subject()
    encode = examined.model.encoder.forward

    def counting(batch):
        posterior = encode(batch)
        posterior.mean[:, 1] = batch.lengths.float()
        return posterior

    examined.model.encoder.forward = counting
    result = Dominance().measure(examined)
    assert result["length"][1]["value"] == pytest.approx(1)
    assert max(result["length"][place]["value"] for place in (0, 2)) < 0.9
    name, _, note = Dominance().lines(result)[0]
    assert name == "variance of a dimension that the length explains, at most"
    assert note.endswith("; dimension 1")


def test_dropout_is_the_cost_of_regularisation_and_the_same_text_has_no_gap():
    examined = subject()
    result = Generalisation().measure(examined)
    assert result["gap"]["value"] == pytest.approx(0, abs=3 * result["gap"]["standard_error"])
    plain = result["regularisation_cost"]
    assert abs(plain["value"]) <= 4 * plain["standard_error"] + 1e-6
    examined.model.decoder.dropout = SequenceDropout(words=0.9).eval()
    assert Generalisation().measure(examined)["training"] == result["training"]
    assert Generalisation().measure(examined)["training_mode"] != result["training_mode"]
