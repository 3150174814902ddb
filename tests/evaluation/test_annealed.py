"""Annealed importance sampling of models of sequences, against evidences known by quadrature."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from latentia.decoding import Ancestral, decode
from latentia.evaluation import AnnealedImportance
from latentia.evaluation.annealed import _path
from latentia.evaluation.sequences import TOKENS_AT_A_TIME, frozen, grouped, not_euclidean, scorer, simulated
from latentia.records import Batch
from latentia.shapes import BOS, PAD
from tests.evaluation.small import POINTS, exact_evidence, one_dimensional
from tests.laws.tables import model, subject

STEPS = 4


def posterior_ranks(vae, sequences: list[list[int]], codes: Tensor) -> Tensor:
    """Posterior probability of codes below each code, by quadrature."""
    batch, inside = Batch.collate(sequences), POINTS[:, None] < codes[:, 0]
    with torch.no_grad():
        score = vae.decoder(POINTS[:, None, None].expand(-1, len(codes), 1)).log_prob(batch)
    density = (score - 0.5 * POINTS.square()[:, None]).softmax(dim=0)
    return (density * inside).sum(dim=0)


def far_from_uniform(ranks: Tensor) -> float:
    """Distance of the mean rank from a half, in standard errors."""
    return abs(ranks.mean().item() - 0.5) * (12 * len(ranks)) ** 0.5


def test_codes_that_wrote_sequences_are_draws_from_their_posteriors():
    """Their ranks are uniform. Where PAD is redrawn, as in decoding for people, they are not."""
    vae = one_dimensional()
    vae.decoder.vocabulary.weight.data[PAD] = 2 * vae.decoder.initial.weight.data[:, 0].sign()
    sequences, codes = simulated(vae, 1200, STEPS)
    assert 200 < len(sequences) < 1200
    assert all(len(ids) < STEPS and not {PAD, BOS} & set(ids) for ids in sequences)
    assert [len(ids) for ids in sequences] == sorted(len(ids) for ids in sequences)
    ranks = posterior_ranks(vae, sequences, codes)
    assert far_from_uniform(ranks) < 4
    assert (ranks - 0.5).square().mean().item() == pytest.approx(1 / 12, abs=4 * (180 * len(ranks)) ** -0.5)
    codes = vae.sample(1200, STEPS)
    redrawn = decode(vae.decoder(codes[None]), Ancestral(), STEPS)
    ended = [row for row, ids in enumerate(redrawn) if len(ids) < STEPS]
    assert far_from_uniform(posterior_ranks(vae, [redrawn[row] for row in ended], codes[ended])) > 8


def test_brackets_hold_the_exact_likelihood_of_what_the_model_wrote():
    vae = one_dimensional()
    examined = replace(subject(), model=vae, max_tokens=STEPS - 1)
    measure = AnnealedImportance(temperatures=12, chains=3, leapfrogs=3, sequences=80)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        written = measure._simulated(examined, lambda _: None)
        torch.manual_seed(5)
        sequences, _ = simulated(vae, 80, STEPS)
    exact = -exact_evidence(vae, Batch.collate(sequences)).mean().item()
    assert written["sequences"] == len(sequences) < written["drawn"] == 80
    assert written["nll_below"]["value"] - 3 * written["gap"]["standard_error"] < exact
    assert exact < written["nll_above"]["value"] + 3 * written["gap"]["standard_error"]
    assert abs(written["gap"]["value"]) < 0.1


def test_the_path_runs_from_the_posterior_to_the_joint():
    vae, batch = model().eval(), Batch.collate([[4, 5], [6]])
    path, start = _path(vae, batch)
    codes = torch.randn(4, 2, 3)
    point = path.at(codes)
    torch.testing.assert_close(point.log_start, vae.infer(batch).log_prob(codes))
    torch.testing.assert_close(point.log_target, vae.decoder(codes).log_prob(batch) + vae.prior().log_prob(codes))
    torch.testing.assert_close(point.to_start, (start.mean - codes) / start.variance)
    nudged = codes + torch.tensor([1e-2, 0.0, 0.0])
    slope = (path.at(nudged).log_target - point.log_target) / 1e-2
    torch.testing.assert_close(slope, point.to_target[..., 0], atol=2e-2, rtol=0)


def test_gradients_are_the_same_in_chunks_and_pass_no_weights(monkeypatch):
    vae, batch = model().eval(), Batch.collate([[4, 5], [6]])
    codes = torch.randn(7, 2, 3)
    with frozen(vae):
        whole = _path(vae, batch)[0].at(codes)
        monkeypatch.setattr("latentia.evaluation.sequences.TOKENS_AT_A_TIME", 12)
        parts = _path(vae, batch)[0].at(codes)
        assert not any(weight.requires_grad for weight in vae.parameters())
    torch.testing.assert_close(whole.to_target, parts.to_target)
    assert all(weight.requires_grad and weight.grad is None for weight in vae.parameters())


def test_frozen_weights_that_were_frozen_stay_so():
    vae = model()
    vae.decoder.initial.weight.requires_grad_(False)
    with frozen(vae):
        pass
    assert [name for name, weight in vae.named_parameters() if not weight.requires_grad] == ["decoder.initial.weight"]


def test_groups_are_bounded_and_hold_everything_in_order():
    sequences = [[4] * length for length in (1, 2, 2, 5, 30, 90)]
    batches = list(grouped(sequences, 2, 50))
    assert [batch.tokens.numel() * 2 <= 50 or len(batch) == 1 for batch in batches] == [True] * len(batches)
    assert torch.cat([batch.lengths for batch in batches]).tolist() == [len(ids) + 1 for ids in sequences]
    assert len(next(grouped([[4]] * TOKENS_AT_A_TIME, 1))) == TOKENS_AT_A_TIME // 2


def test_scores_are_the_likelihood():
    vae, batch, codes = model().eval(), Batch.collate([[4, 5], [6]]), torch.randn(4, 2, 3)
    torch.testing.assert_close(scorer(vae, batch)(codes), vae.decoder(codes).log_prob(batch))


def test_a_model_that_never_ends_has_no_bracket():
    examined = subject()
    examined.model.decoder.vocabulary.bias.data[3] = -1e4
    result = AnnealedImportance(temperatures=2, chains=1, leapfrogs=1, sequences=3).measure(examined)
    assert result["simulated"]["sequences"] == 0
    assert result["simulated"]["gap"] == {"value": None, "standard_error": None}
    assert AnnealedImportance().lines(result)[-1][1] == "none"


@pytest.mark.parametrize(
    ("kind", "fits"),
    [("TextVAE", True), ("TextVAE-mixture", True), ("TextVAE-sphere", False), ("SequentialTextVAE", False)],
)
def test_only_vectors_can_be_annealed(kind, fits):
    assert (not not_euclidean(subject(kind))) == fits
