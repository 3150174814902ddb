"""Repetition and copying, against counts by hand, the library of BLEU, and other corpora drawn alike."""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from latentia.evaluation.diversity import copying, diversity, gram_counts, longest_copies, self_bleu

WORDS = [f"w{rank}" for rank in range(40)]


def sentences(seed: int, count: int = 60, shortest: int = 0) -> list[str]:
    """Texts of frequent and rare words, some of them shorter than an n-gram."""
    random, weights = Random(seed), [1 / (rank + 1) for rank in range(len(WORDS))]
    return [" ".join(random.choices(WORDS, weights, k=random.randint(shortest, 12))) for _ in range(count)]


def of(texts: list[str]) -> float:
    return self_bleu([gram_counts(text.split()) for text in texts])


def test_distinct_ngrams_are_counted_within_texts():
    result = {name: estimate["value"] for name, estimate in diversity(["a b a b", "a b c", "a b c", ""]).items()}
    assert result["distinct_1"] == pytest.approx(3 / 10)
    assert result["distinct_2"] == pytest.approx(3 / 7)  # ab, ba, bc; none across the end of a text
    assert result["distinct_3"] == pytest.approx(3 / 4)
    assert result["different_texts"] == pytest.approx(3 / 4)


@pytest.mark.parametrize("seed", range(3))
def test_self_bleu_is_the_mean_of_the_librarys_sentence_scores(seed, caplog):
    caplog.set_level(logging.ERROR)
    texts = sentences(seed, shortest=1)
    metric = BLEU(tokenize="none", smooth_method="floor", smooth_value=0.1, effective_order=True)
    each = [metric.sentence_score(text, texts[:row] + texts[row + 1 :]).score for row, text in enumerate(texts)]
    assert of(texts) == pytest.approx(np.mean(each), rel=1e-12)


def test_a_text_is_not_its_own_reference():
    assert of(["a b c d e", "f g h i j", "k l m n o"]) < 10
    assert of(["a b c d e", "f g h i j", "a b c d e"]) > 66


def test_both_grow_with_the_corpus_so_that_only_as_many_texts_compare():
    texts = sentences(0, 150, shortest=6)
    few, many = diversity(texts[:20]), diversity(texts)
    assert many["distinct_2"]["value"] < few["distinct_2"]["value"] - 0.2
    assert many["self_bleu"]["value"] > few["self_bleu"]["value"] + 1


def test_errors_are_those_of_other_corpora():
    """A bootstrap, which repeats texts, would miss them."""
    results = [diversity(sentences(seed, count=20, shortest=4)) for seed in range(20)]
    for name in ("distinct_1", "distinct_2", "self_bleu"):
        values = [result[name]["value"] for result in results]
        stated = np.mean([result[name]["standard_error"] for result in results])
        assert 0.6 < stated / np.std(values, ddof=1) < 1.7, name


def brute(sequence: list[int], training: list[list[int]]) -> int:
    pieces = {tuple(t[i:j]) for t in training for i in range(len(t)) for j in range(i + 1, len(t) + 1)}
    return max(
        (
            j - i
            for i in range(len(sequence))
            for j in range(i + 1, len(sequence) + 1)
            if tuple(sequence[i:j]) in pieces
        ),
        default=0,
    )


def draw(seed: int, count: int, letters: int = 4) -> list[list[int]]:
    random = Random(seed)
    return [[random.randrange(letters) for _ in range(random.randint(0, 15))] for _ in range(count)]


@pytest.mark.parametrize("letters", [2, 6, 40])
def test_the_longest_copies_are_those_of_a_search_through_all_pieces(letters):
    ours, theirs = draw(1, 30, letters), draw(2, 20, letters)
    expected = [brute(each, theirs) for each in ours]
    assert longest_copies(ours, theirs).tolist() == expected
    assert max(expected) > 0


def test_a_piece_does_not_cross_from_one_training_sequence_to_the_next():
    assert longest_copies([[4, 5, 6, 7]], [[4, 5], [6, 7]]).tolist() == [2]


def training() -> Callable[[], list[list[int]]]:
    return lambda: [[4, 5, 6], [7, 8]]


def test_a_part_of_a_training_sequence_is_no_copy_of_it():
    result = copying([[4, 5, 6], [5, 6], [4, 9, 5], []], training())
    assert result["verbatim"]["value"] == 0.25
    assert result["longest_copy"]["value"] == pytest.approx((1 + 1 + 1 / 3 + 0) / 4)
