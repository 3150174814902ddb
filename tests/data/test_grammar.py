"""The built-in grammar: its entropy is exact, and its factors can be read off every sentence."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from latentia.data import Columns, Grammar, write_grammar
from latentia.data.grammar import FACTORS
from latentia.data.lexicon import ENGLISH
from latentia.data.productions import Option, Productions
from latentia.data.reading import read_texts
from latentia.errors import InputError


@pytest.fixture(scope="module")
def grammar():
    return Grammar()


@pytest.fixture(scope="module")
def drawn(grammar):
    return grammar.sample(2000, seed=3)


def small_grammar():
    """Two topics, and of every list of words the first two."""
    topics = {
        name: replace(
            topic,
            subjects=topic.subjects[:2],
            objects=topic.objects[:1],
            places=topic.places[:1],
            transitive=topic.transitive[:1],
            intransitive=topic.intransitive[:1],
        )
        for name, topic in list(ENGLISH.topics.items())[:2]
    }
    few = {
        name: {key: words[:1] for key, words in getattr(ENGLISH, name).items()}
        for name in ("adjectives", "characters", "adverbs", "times", "determiners")
    }
    return Grammar(
        replace(ENGLISH, topics=topics, **few, descriptions=("young",), degrees=("very",), prepositions=("in",))
    )


def test_entropy_equals_enumeration():
    grammar = small_grammar()
    listed = grammar.sentences()
    assert len({text for text, _ in listed}) == len(listed), "a sentence has two derivations"
    assert math.fsum(p for _, p in listed) == pytest.approx(1)
    assert grammar.entropy() == pytest.approx(-math.fsum(p * math.log(p) for _, p in listed), abs=1e-9)
    for text, p in listed[::199]:
        assert grammar.log_probability(text) == pytest.approx(math.log(p))


def test_entropy_equals_monte_carlo(grammar, drawn):
    surprise = -np.array([grammar.log_probability(text) for text in drawn[0][:800]])
    standard_error = surprise.std(ddof=1) / math.sqrt(len(surprise))
    assert abs(surprise.mean() - grammar.entropy()) < 3 * standard_error


def test_size_is_that_of_a_demonstration(grammar):
    assert 9 < grammar.entropy() < 13
    assert 150 <= len(grammar.vocabulary) <= 300
    assert grammar.lengths[0] >= 4
    assert grammar.lengths[1] <= 14


def test_every_sentence_has_one_derivation(grammar, drawn):
    rules = grammar._productions.rules
    # With every option at weight 1 the "probability" of a sentence is the number of its derivations.
    counter = Productions(
        {symbol: [Option(1.0, option.parts) for option in written] for symbol, written in rules.items()}
    )
    assert {counter.probability("S", text.split()) for text in drawn[0][:40]} == {1.0}


def test_factors_are_functions_of_the_sentence(grammar, drawn):
    texts, factors = drawn
    assert tuple(factors) == FACTORS
    for index, text in enumerate(texts[:200]):
        assert grammar.factors(text) == {name: factors[name][index] for name in FACTORS}


def test_factors_are_uniform_and_all_levels_occur(grammar, drawn):
    for name, levels in grammar.levels.items():
        counts = [drawn[1][name].count(level) for level in levels]
        assert min(counts) > 0.85 * 2000 / len(levels)
        assert sum(counts) == 2000


def test_verbs_agree(grammar):
    for text in ("the chef was great", "the chefs were great", "the chef eats badly", "the chefs eat badly"):
        assert grammar.log_probability(text) > -math.inf
    for text in ("the chef were great", "the chefs was great", "the chef eat badly", "the chef ate badly tomorrow"):
        assert grammar.log_probability(text) == -math.inf


@pytest.mark.parametrize("text", ["", "the", "the chef ate", "the unicorn ate badly", "badly ate chef the"])
def test_other_texts_are_outside_the_language(grammar, text):
    assert grammar.log_probability(text) == -math.inf
    with pytest.raises(InputError, match="not a sentence of the grammar"):
        grammar.factors(text)


def test_sampling_is_a_function_of_the_seed(grammar):
    assert grammar.sample(20, seed=5) == Grammar().sample(20, seed=5)
    assert grammar.sample(20, seed=5) != grammar.sample(20, seed=6)
    assert grammar.sample(0, seed=5) == ([], {name: [] for name in FACTORS})


def test_written_files_are_corpora_with_a_column_for_each_factor(tmp_path):
    paths = write_grammar(tmp_path / "new", sizes={"train": 30, "valid": 10, "test": 20}, seed=1)
    assert [len(list(read_texts([str(path)], Columns(label="tense")))) for path in paths.values()] == [30, 10, 20]
    row = json.loads(paths["valid"].read_text().splitlines()[0])
    assert list(row) == ["text", *FACTORS]
    again = write_grammar(tmp_path / "again", sizes={"train": 30, "valid": 10, "test": 20}, seed=1)
    assert all(paths[name].read_bytes() == again[name].read_bytes() for name in paths)
    assert len({path.read_bytes() for path in paths.values()}) == 3


def test_a_folder_may_be_a_string(tmp_path):
    paths = write_grammar(str(tmp_path / "new"), {"train": 3})
    assert len(paths["train"].read_text().splitlines()) == 3
