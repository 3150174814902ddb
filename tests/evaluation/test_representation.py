"""Probes of labels, on codes that hold them and on labels that mean nothing."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch

from latentia.data import Corpus, Selection
from latentia.evaluation import Representation, Subject
from tests.laws.tables import TEXTS, subject

COUNT = 200


def labelled(labels: np.ndarray, examined: Subject) -> Subject:
    """Many texts, each with a label."""
    texts = [TEXTS[row % len(TEXTS)] for row in range(len(labels))]
    corpus = Corpus.from_texts(texts, examined.tokenizer)
    corpus.labels, corpus.label_names = labels, sorted({f"label {label}" for label in labels})
    return replace(examined, held_out=Selection.all_of(corpus))


def measured(codes: torch.Tensor, labels: np.ndarray) -> dict[str, float]:
    """Measure with given codes in place of the encoder's."""
    examined = labelled(labels, subject())
    with patch.object(Subject, "centres", lambda _, chosen: codes[torch.from_numpy(chosen.rows)]):
        result = Representation().measure(examined)
    return {name: entry["value"] if isinstance(entry, dict) else entry for name, entry in result.items()} | {
        "error": result["linear"]["standard_error"]
    }


def test_codes_that_hold_the_label_tell_it_and_others_reach_the_majority():
    labels = (np.arange(COUNT) % 10 >= 7).astype(np.int64)
    code = torch.randn(COUNT, 4)
    told = measured(code + 6 * torch.from_numpy(labels)[:, None], labels)
    assert told["linear"] == told["neighbours"] == 1
    assert told["majority"] == pytest.approx(0.7)
    noise = measured(code, labels)
    for name in ("linear", "neighbours"):
        assert noise[name] == pytest.approx(0.7, abs=3 * noise["error"])


def test_shuffled_labels_give_chance():
    """Also of as many dimensions as a fit without held-out folds would remember the labels by."""
    labels = np.random.default_rng(0).permutation(COUNT) % 2
    result = measured(torch.randn(COUNT, 150), labels)
    for name in ("linear", "neighbours", "bag_of_words"):
        assert result[name] == pytest.approx(0.5, abs=0.1)  # three errors and a half


def test_a_narrow_dimension_is_read_by_the_linear_probe_and_not_by_distance():
    labels = np.arange(COUNT) % 2
    codes = torch.randn(COUNT, 3)
    codes[:, 0] = 1e-3 * (torch.from_numpy(labels) + 0.1 * codes[:, 0])
    result = measured(codes, labels)
    assert result["linear"] > 0.95
    assert result["neighbours"] < 0.65


def test_the_text_itself_tells_a_label_that_is_a_word():
    labels = np.array([int("cat" in TEXTS[row % len(TEXTS)]) for row in range(COUNT)])
    assert measured(torch.randn(COUNT, 2), labels)["bag_of_words"] == 1


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        pytest.param(np.zeros(12, dtype=np.int64), "one label", id="one label"),
        pytest.param(np.array([0] * 10 + [1] * 2), "2 sequences", id="too few of one"),
    ],
)
def test_it_is_unfit_without_enough_labels(labels, reason):
    assert reason in Representation().unfit(labelled(labels, subject()))


def test_it_is_unfit_without_labels_and_for_codes_of_one_a_token():
    plain = replace(subject(), held_out=Selection.all_of(Corpus.from_texts(TEXTS, subject().tokenizer)))
    assert "no labels" in Representation().unfit(plain)
    assert "one a token" in Representation().unfit(subject("SequentialTextVAE"))
