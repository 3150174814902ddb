"""Grammars: probabilities sum to 1, entropy equals its definition, sampling follows the probabilities."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentia.data.productions import Option, Productions, options

AMBIGUOUS = Productions(
    {"S": options([(1, "A B"), (3, "x y")]), "A": options([(1, "x")]), "B": options([(1, "y"), (1, "z")])}
)


@st.composite
def layers(draw):
    """Random rules of three layers; words carry their symbol, so that every sentence has one derivation."""
    rules = {}
    below = ["w0", "w1", "w2"]
    for layer in range(3):
        weights = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
        tails = [" ".join(draw(st.lists(st.sampled_from(below), max_size=2))) for _ in weights]
        rules[f"N{layer}"] = [
            (weight, f"mark{layer}.{index} {tail}")
            for index, (weight, tail) in enumerate(zip(weights, tails, strict=True))
        ]
        below.append(f"N{layer}")
    return rules


@given(layers())
def test_entropy_and_probabilities_agree_with_enumeration(rules):
    # Built here: run-time checks of types draw random numbers, which a strategy must not.
    grammar = Productions({symbol: options(weighted) for symbol, weighted in rules.items()})
    listed = list(grammar.sentences("N2"))
    assert math.fsum(probability for _, probability in listed) == pytest.approx(1)
    assert grammar.entropy("N2") == pytest.approx(-math.fsum(p * math.log(p) for _, p in listed), abs=1e-12)
    for words, probability in listed[:20]:
        assert grammar.probability("N2", words) == pytest.approx(probability)
        assert grammar.words("N2").issuperset(words)
    lengths = [len(words) for words, _ in listed]
    assert grammar.lengths("N2") == (min(lengths), max(lengths))


def test_probability_sums_over_derivations():
    assert AMBIGUOUS.probability("S", ["x", "y"]) == pytest.approx(0.25 * 0.5 + 0.75)
    assert AMBIGUOUS.probability("S", ["x", "z"]) == pytest.approx(0.125)


@pytest.mark.parametrize("words", [[], ["x"], ["y", "x"], ["x", "y", "z"], ["unknown"]])
def test_probability_is_zero_outside_the_language(words):
    assert AMBIGUOUS.probability("S", words) == 0


def test_parts_may_be_nothing():
    rules = {
        "S": options([(1, "A B"), (1, "B A c")]),
        "A": options([(1, "a"), (1, "")]),
        "B": options([(1, "b"), (1, "")]),
    }
    grammar = Productions(rules)
    expected = {"": 1, "a": 1, "b": 1, "a b": 1, "c": 1, "b c": 1, "a c": 1, "b a c": 1}
    for text, ways in expected.items():
        assert grammar.probability("S", text.split()) == pytest.approx(ways / 8)
    assert grammar.lengths("S") == (0, 3)


def test_samples_follow_the_probabilities():
    random = Random(0)
    counts = Counter(" ".join(AMBIGUOUS.sample("S", random)) for _ in range(4000))
    for text, count in counts.items():
        p = AMBIGUOUS.probability("S", text.split())
        assert abs(count / 4000 - p) < 4 * math.sqrt(p * (1 - p) / 4000)


def test_sampling_survives_bounds_that_round_below_one():
    class Highest(Random):
        def random(self):
            return 1 - 2**-53

    grammar = Productions({"S": [Option(0.1, (str(index),)) for index in range(10)]})
    assert grammar.sample("S", Highest()) == ["9"]
