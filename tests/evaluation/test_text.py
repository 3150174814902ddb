"""Scores of decoded text."""

from __future__ import annotations

import sys
from random import Random

import pytest

from latentia.errors import InputError
from latentia.evaluation.text import interpolation_rouge, reconstruction_bleu, require_libraries


def sentences(seed: int, count: int = 40) -> list[str]:
    random = Random(seed)
    return [" ".join(random.choices("abcdefgh", k=random.randint(4, 12))) for _ in range(count)]


def longest_common_subsequence(a: list[str], b: list[str]) -> int:
    if not a or not b:
        return 0
    if a[0] == b[0]:
        return 1 + longest_common_subsequence(a[1:], b[1:])
    return max(longest_common_subsequence(a[1:], b), longest_common_subsequence(a, b[1:]))


def test_bleu_is_that_of_the_corpus_and_its_words_are_between_white_space():
    texts = sentences(0)
    assert reconstruction_bleu(texts, texts, seed=0)["value"] == pytest.approx(100)
    # Any tokenizer but 'none' splits the full stop off, and finds more that matches.
    glued = reconstruction_bleu(["a b c d ."] * 8, ["a b c d."] * 8, seed=0)
    assert glued["value"] < 70
    assert "tok:none" in glued["signature"]


def test_the_error_of_bleu_is_that_of_other_corpora():
    """Among corpora drawn alike, BLEU varies by about the error that one of them states."""
    results = []
    for seed in range(20):
        random, texts = Random(seed), sentences(seed)
        written = [" ".join(w for w in text.split() if random.random() < 0.8) for text in texts]
        results.append(reconstruction_bleu(texts, written, seed=0))
    values = [result["value"] for result in results]
    mean = sum(values) / 20
    deviation = (sum((value - mean) ** 2 for value in values) / 19) ** 0.5
    stated = sum(result["standard_error"] for result in results) / 20
    assert 0.6 < stated / deviation < 1.7  # a deviation of 20 values is known to about 16 %


def test_nothing_written_scores_nothing():
    assert reconstruction_bleu(["a b c d"] * 4, [""] * 4, seed=0)["value"] == 0
    assert interpolation_rouge([("a b", "c")] * 2, [["", ""]] * 2)["value"] == 0


def test_rouge_is_the_longest_common_subsequence_with_both_ends():
    a, b, points = sentences(1, 6), sentences(2, 6), sentences(3, 12)
    paths = [points[2 * pair : 2 * pair + 2] for pair in range(6)]
    expected = []
    for first, last, path in zip(a, b, paths, strict=True):
        for point in path:
            for end in (first, last):
                own, other = point.split(), end.split()
                expected.append(2 * longest_common_subsequence(own, other) / (len(own) + len(other)))
    result = interpolation_rouge(list(zip(a, b, strict=True)), paths)
    assert result["value"] == pytest.approx(sum(expected) / len(expected))
    assert sum(result["by_point"]) / 2 == pytest.approx(result["value"])


def test_capitals_and_signs_are_words_to_rouge():
    """The library's own tokenizer would find these alike."""
    assert interpolation_rouge([("A <unk> !", "A <unk> !")] * 2, [["a unk ?"]] * 2)["value"] == 0
    assert interpolation_rouge([("a b", "a b")] * 2, [["a b"]] * 2)["of_the_ends"] == 1


@pytest.mark.parametrize("library", ["sacrebleu", "rouge_score"])
def test_a_missing_library_is_named_with_its_extra(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, "rouge_score.rouge_scorer", raising=False)
    with pytest.raises(InputError, match="without") as raised:
        require_libraries()
    assert "latentia[metrics]" in raised.value.remedy
