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
def grammars(draw):
    """A random grammar of three layers; words carry their symbol, so that every sentence has one derivation."""
    rules = {}
    below = [f"w{index}" for index in range(3)]
    for layer in range(3):
        symbol = f"N{layer}"
        count = draw(st.integers(1, 3))
        weights = draw(st.lists(st.integers(1, 9), min_size=count, max_size=count))
        tails = [draw(st.lists(st.sampled_from(below), max_size=2)) for _ in range(count)]
        rules[symbol] = options(
            [
                (weight, f"mark{layer}.{index} {' '.join(tail)}")
                for index, (weight, tail) in enumerate(zip(weights, tails))
            ]
        )
        below.append(symbol)
    return Productions(rules)


@given(grammars())
def test_entropy_and_probabilities_agree_with_enumeration(grammar):
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
