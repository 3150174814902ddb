"""What a deleted word moves, on codes that are known functions of the text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentia.evaluation import WordDeletion
from tests.laws.tables import subject


def coded(code):
    """A subject whose codes are a function of a batch, on many copies of its texts."""
    examined = subject()
    examined.model.centres = lambda batch, _: code(batch)
    rows = np.tile(examined.held_out.rows, 100)
    return replace(examined, held_out=replace(examined.held_out, rows=rows))


def test_a_code_of_the_length_moves_by_one_token():
    examined = coded(lambda batch: batch.lengths[:, None].float())
    lengths = examined.held_out.corpus.lengths.astype(float)
    found = WordDeletion(sequences=1600).measure(examined)["moved"]
    apart = np.abs(lengths[:, None] - lengths).mean()
    assert found["value"] == pytest.approx(1 / apart, abs=4 * found["standard_error"])
    assert 0 < found["standard_error"] < 0.2 / apart


def test_a_code_of_what_stays_does_not_move():
    """But where the word that the code knows is the one that is left out."""
    examined = coded(lambda batch: (batch.tokens == 5).any(dim=1, keepdim=True).float())
    held = sum(5 in tokens for tokens in examined.held_out.tokens()) / len(examined.held_out)
    assert 0 < held < 1
    found = WordDeletion(sequences=1600).measure(examined)["moved"]["value"]
    lost = np.mean([tokens.count(5) == 1 and 1 / len(tokens) for tokens in examined.held_out.tokens()])
    assert found == pytest.approx(lost / (2 * held * (1 - held)), rel=0.2)


def test_codes_that_are_all_alike_have_no_number():
    result = WordDeletion().measure(coded(lambda batch: torch.zeros(len(batch), 3)))
    assert result["moved"] == {"value": None, "standard_error": None}
    assert "none" in WordDeletion().lines(result)[0]


def test_sequences_of_one_token_are_left_out():
    examined = subject()
    lengths = examined.held_out.corpus.lengths
    assert WordDeletion().measure(examined)["sequences"] == (lengths > 2).sum()
    alone = replace(examined, held_out=examined.held_out.first(1))
    assert "fewer than two" in WordDeletion().unfit(alone)
