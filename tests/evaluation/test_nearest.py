"""The nearest sequence, against a search of all by the textbook's edit distance."""

from __future__ import annotations

import numpy as np
import pytest

from latentia.data import Corpus, Selection
from latentia.data.tokenizer import Word
from latentia.evaluation import nearest
from latentia.evaluation.nearest import NearestSequences
from latentia.functional.edits import edit_distances


def levenshtein(a: list[int], b: list[int]) -> int:
    table = [[i + j if 0 in (i, j) else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            changed = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, changed)
    return table[-1][-1]


@pytest.fixture(scope="module")
def sentences():
    draw = np.random.default_rng(0)
    return [" ".join(draw.choice(list("abcdefgh"), size=draw.integers(1, 9))) for _ in range(700)]


@pytest.fixture(scope="module")
def corpus(sentences):
    return Selection.all_of(Corpus.from_texts(sentences, Word().train(sentences)))


def queries(count: int) -> list[list[int]]:
    draw = np.random.default_rng(1)
    return [draw.integers(4, 14, size=draw.integers(0, 12)).tolist() for _ in range(count)]


def test_distances_are_those_of_the_textbook(corpus):
    others = list(corpus.first(60).tokens())
    for query in queries(6):
        expected = [levenshtein(query, other) for other in others]
        assert edit_distances(np.array(query, dtype=np.int64), others).tolist() == expected


def test_the_nearest_of_all_is_found(corpus):
    find = NearestSequences(corpus)
    for query in queries(20):
        found = find(query)
        distances = [levenshtein(query, other) for other in corpus.tokens()]
        assert found.distance == min(distances) == distances[found.row]
        assert found.exact


def test_a_copy_is_at_no_distance(corpus):
    rows = corpus.shuffled(3).first(100)
    for tokens in rows.first(5).tokens():
        assert NearestSequences(rows)(tokens).distance == 0


def test_what_was_not_tried_is_said(corpus, monkeypatch):
    monkeypatch.setattr(nearest, "CANDIDATES", 3)
    find = NearestSequences(corpus)
    found = [find(query) for query in queries(20)]
    for query, each in zip(queries(20), found, strict=True):
        least = min(levenshtein(query, other) for other in corpus.tokens())
        assert each.distance == least if each.exact else each.distance >= least
    assert {each.exact for each in found} == {True, False}
