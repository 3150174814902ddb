"""Automata against enumeration and counting."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from latentia.decoding import automaton as module
from latentia.decoding.automaton import (
    UNREACHABLE,
    Automaton,
    anything,
    containing,
    in_order,
    length,
    side_by_side,
)
from latentia.errors import InputError
from latentia.shapes import BOS, EOS, PAD
from tests.decoding.languages import LONGEST, TEXTS, WORDS, occurrences
from tests.decoding.languages import in_order as stand_in_order
from tests.laws.tables import V

PHRASES = [(4,), (4, 4), (4, 5), (4, 5, 4), (5, 5, 4), (4, 4, 4), (1, 6)]


def accepted(automaton: Automaton) -> set[tuple[int, ...]]:
    return {text for text in TEXTS if automaton.accepts(text)}


@pytest.mark.parametrize("phrase", PHRASES)
@pytest.mark.parametrize(("at_least", "at_most"), [(1, math.inf), (0, 0), (2, math.inf), (1, 1), (0, 1), (2, 3)])
def test_occurrences_are_counted(phrase, at_least, at_most):
    """Those that overlap too, and one that follows a false start."""
    wanted = {text for text in TEXTS if at_least <= occurrences(phrase, text) <= at_most}
    assert accepted(containing(phrase, V, at_least, at_most)) == wanted


@pytest.mark.parametrize(
    "phrases", [[(4,), (5,)], [(4, 5), (5, 4)], [(4, 4), (4,)], [(4,), (4,), (4,)], [(5, 5, 4), (4, 5)], [(6,)]]
)
def test_phrases_stand_in_order_and_do_not_overlap(phrases):
    assert accepted(in_order(phrases, V)) == {text for text in TEXTS if stand_in_order(phrases, text)}


@pytest.mark.parametrize(("least", "most"), [(0, math.inf), (2, 4), (3, math.inf), (0, 0), (3, 2)])
def test_lengths(least, most):
    assert accepted(length(V, least, most)) == {text for text in TEXTS if least <= len(text) <= most}


def drawn(draw: random.Random) -> Automaton:
    kind = draw.randrange(4)
    if kind == 0:
        return length(V, draw.randrange(3), draw.choice([2, 4, math.inf]))
    if kind == 1:
        return in_order(draw.sample(PHRASES, 2), V)
    each = containing(draw.choice(PHRASES), V, draw.randrange(3), draw.choice([2, math.inf]))
    return ~each if kind == 2 else each


@pytest.mark.parametrize("seed", range(40))
def test_products_are_intersections_and_minimal_ones_accept_the_same(seed):
    draw = random.Random(seed)
    a, b, c = (drawn(draw) for _ in range(3))
    both = a & b & c
    wanted = accepted(a) & accepted(b) & accepted(c)
    assert accepted(both) == wanted
    small = both.minimal()
    assert accepted(small) == wanted
    assert len(small.table) <= len(both.table)
    assert len(small.minimal().table) == len(small.table)
    assert accepted(~both) == set(TEXTS) - wanted


@pytest.mark.parametrize("seed", range(20))
def test_distances_are_those_of_the_shortest_accepted_rest(seed):
    draw = random.Random(seed)
    automaton = drawn(draw) & drawn(draw)
    for prefix in [text for text in TEXTS if len(text) <= 2]:
        state = 0
        for token in prefix:
            state = automaton.table[state, automaton.classes[token]]
        rests = [len(rest) for rest in TEXTS if automaton.accepts((*prefix, *rest))]
        if rests:
            assert automaton.distances[state] == min(rests)
        else:
            assert automaton.distances[state] > LONGEST


def test_what_contradicts_itself_accepts_nothing():
    nothing = containing((4,), V) & ~containing((4,), V)
    assert nothing.distances[0] == UNREACHABLE
    assert len(nothing.table) <= 2  # of dead pairs one is made


def test_a_demand_made_twice_is_one_demand():
    once = containing((4, 5), V)
    assert accepted(once & once) == accepted(once)
    assert len((once & once).table) == len(once.table)


def test_silent_tokens_change_nothing():
    automaton = containing((4, 5), V) & length(V, 1, 3)
    for token in (PAD, BOS, EOS):
        np.testing.assert_array_equal(automaton.table[:, automaton.classes[token]], np.arange(len(automaton.table)))


def test_a_product_has_reachable_states_alone():
    big, small = containing((4, 5, 6), V), length(V, 0, 2)
    assert len((big & small).table) < len(big.table) * len(small.table)
    assert len((anything(V) & big).table) == len(big.table)


def test_too_many_states_are_refused(monkeypatch):
    monkeypatch.setattr(module, "MOST_STATES", 50)
    with pytest.raises(InputError, match=r"more than 50 states: demand less"):
        _ = length(V, 0, 20) & containing((4, 5, 6), V)


@pytest.mark.parametrize("seed", range(5))
def test_automata_side_by_side_accept_each_their_own(seed):
    draw = random.Random(seed)
    parts = [drawn(draw) for _ in range(3)]
    together, starts = side_by_side(parts)
    for part, start in zip(parts, starts, strict=True):
        assert together.distances[start] == part.distances[0]
        for text in draw.sample(TEXTS, 100):
            state = start
            for token in text:
                state = together.table[state, together.classes[token]]
            assert together.accepting[state] == part.accepts(text)


def test_the_words_are_those_that_can_be_written():
    assert set(range(V)) - set(WORDS) == {PAD, BOS, EOS}
