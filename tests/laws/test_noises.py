"""Laws of the noises that a denoising encoder reads through."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from latentia.nn import Blank, Drop, Shuffle, Substitute
from latentia.records import Batch
from latentia.shapes import EOS, PAD, UNK
from tests.laws.tables import NOISES, V, model

SEQUENCES = [[4, 5, 6, 5, 4, 6, 6], [6], [5, 4, 4]]


def words(batch: Batch) -> list[list[int]]:
    return [row[: length - 1].tolist() for row, length in zip(batch.tokens, batch.lengths, strict=True)]


@pytest.fixture(params=NOISES)
def noise(request):
    return NOISES[request.param]()


def test_rows_stay_closed_and_padded(noise):
    for _ in range(20):
        batch = noise(Batch.collate(SEQUENCES))
        closed = batch.tokens.gather(1, batch.lengths[:, None] - 1)
        assert (closed == EOS).all()
        assert (batch.tokens == EOS).sum() == 3
        assert (batch.tokens[~batch.mask] == PAD).all()
        assert (batch.tokens[batch.mask] != PAD).all()


def test_nothing_is_disturbed_in_evaluation(noise):
    batch = Batch.collate(SEQUENCES)
    assert noise.eval()(batch) is batch


def test_the_decoder_reads_and_predicts_what_is_clean():
    vae = model().train()
    vae.encoder.noise = Blank(1.0)
    batch = Batch.collate(SEQUENCES)
    run = vae(batch)
    torch.testing.assert_close(run.log_likelihood, vae.decoder(run.latents[0].sample).log_prob(batch))
    blanked = replace(batch, tokens=batch.tokens.where(batch.tokens < 4, UNK))
    vae.eval()
    torch.testing.assert_close(run.latents[0].posterior.mean, vae.encoder(blanked).mean)


def test_no_noise_changes_nothing():
    batch = Batch.collate(SEQUENCES)
    for still in (Blank(0.0), Drop(0.0), Shuffle(0), Substitute(V, 0.0)):
        assert torch.equal(still(batch).tokens, batch.tokens)


@pytest.mark.parametrize("kind", [Blank, Drop, lambda rate: Substitute(10_000, rate)])
def test_rates_are_those_asked_for(kind):
    batch = Batch.collate([[5] * 50] * 400)
    changed = 400 * 50 - sum(row.count(5) for row in words(kind(0.3)(batch)))
    assert changed / (400 * 50) == pytest.approx(0.3, abs=4 * (0.21 / 20_000) ** 0.5)


def test_dropping_keeps_the_order_and_invents_nothing():
    original = list(range(4, 40))
    for row in words(Drop(0.5)(Batch.collate([original] * 20))):
        assert row == sorted(row)
        assert set(row) <= set(original)


@pytest.mark.parametrize("distance", [1, 3])
def test_shuffled_words_stay_within_their_distance(distance):
    original = list(range(4, 40))
    rows = words(Shuffle(distance)(Batch.collate([original] * 50)))
    shifts = [abs(row.index(word) - place) for row in rows for place, word in enumerate(original)]
    assert all(sorted(row) == original for row in rows)
    assert max(shifts) == distance


def test_substitutes_are_words_and_blanks_are_unknown():
    batch = Batch.collate([[5] * 50] * 10)
    assert all(word >= 4 for row in words(Substitute(V, 1.0)(batch)) for word in row)
    assert all(word == UNK for row in words(Blank(1.0)(batch)) for word in row)
