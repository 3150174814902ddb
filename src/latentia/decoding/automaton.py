"""Deterministic finite automata over tokens: every regular demand, and their combinations, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from latentia.errors import InputError
from latentia.shapes import BOS, EOS, PAD

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST_STATES = 200_000
"""States beyond which demands are refused: they are never approximated."""

UNREACHABLE = np.iinfo(np.int32).max
SILENT = [PAD, BOS, EOS]


@dataclass(frozen=True, eq=False)
class Automaton:
    """A complete deterministic automaton that begins in state 0.

    Tokens that act alike in every state form a class, so that a table has few columns whatever the vocabulary. Class 0
    is that of PAD, BOS and EOS, which are no part of a text and change nothing.

    Attributes:
        classes: Class of each token, ``[V]``.
        table: Next state, ``[Q, C]``.
        accepting: Whether a text may end in a state, ``[Q]``.
    """

    classes: Ints
    table: Ints
    accepting: Bools

    @cached_property
    def distances(self) -> Ints:
        """Fewest further tokens to an accepting state, EOS not counted, ``[Q]``; ``UNREACHABLE`` if there are none."""
        distances = np.where(self.accepting, 0, UNREACHABLE)
        while True:
            nearest = distances[self.table[:, 1:]].min(axis=1, initial=UNREACHABLE)
            shorter = np.minimum(distances, np.where(nearest < UNREACHABLE, nearest + 1, UNREACHABLE))
            if np.array_equal(shorter, distances):
                return distances
            distances = shorter

    def accepts(self, tokens: Sequence[int]) -> bool:
        """Tell whether a text is accepted."""
        state = 0
        for token in tokens:
            state = self.table[state, self.classes[token]]
        return bool(self.accepting[state])

    def minimal(self) -> Automaton:
        """Merge the states that accept the same rests of texts, and the tokens that then act alike.

        Source: Moore, Gedanken-Experiments on Sequential Machines, 1956.
        """
        labels, count = self.accepting.astype(np.int64), 0
        while count != (count := int(labels.max()) + 1):
            _, labels = np.unique(np.column_stack([labels, labels[self.table]]), axis=0, return_inverse=True)
        labels = np.where(labels == labels[0], 0, labels + (labels < labels[0]))  # the first state stays the first
        _, members = np.unique(labels, return_index=True)
        table = labels[self.table[members]]
        columns, merged = np.unique(table[:, 1:], axis=1, return_inverse=True)
        classes = np.concatenate([[0], merged.reshape(-1) + 1])[self.classes]
        return Automaton(classes, np.column_stack([np.arange(len(table)), columns]), self.accepting[members])

    def __invert__(self) -> Automaton:
        """Accept what this does not."""
        return Automaton(self.classes, self.table, ~self.accepting)

    def __and__(self, other: Automaton) -> Automaton:
        """Accept what both do.

        Raises:
            InputError: If more than 200,000 states can be reached.
        """
        width = len(other.table)
        dead = len(self.table) * width
        pairs, classes = _joint([self.classes, other.classes])
        alive = (self.distances < UNREACHABLE)[:, None] & (other.distances < UNREACHABLE)

        def following(states: Ints) -> Ints:
            mine, others = np.divmod(np.minimum(states, dead - 1), width)
            a, b = self.table[mine][:, pairs[0]], other.table[others][:, pairs[1]]
            return np.where(alive[a, b] & (states < dead)[:, None], a * width + b, dead)

        states = reached(following)
        mine, others = np.divmod(np.minimum(states, dead - 1), width)
        accepting = self.accepting[mine] & other.accepting[others] & (states < dead)
        return Automaton(classes, np.searchsorted(states, following(states)), accepting)


def anything(vocabulary_size: int) -> Automaton:
    """Accept every text."""
    return length(vocabulary_size)


def length(vocabulary_size: int, least: int = 0, most: float = math.inf) -> Automaton:
    """Accept texts of so many tokens.

    Raises:
        InputError: If they are counted beyond 200,000.
    """
    last = int(most) + 1 if math.isfinite(most) else least
    require_few(last + 1, MOST_STATES)
    states = np.arange(last + 1)
    table = np.stack([states, np.minimum(states + 1, last)], axis=1)
    return Automaton(_spoken(vocabulary_size), table, (states >= least) & (states <= most))


def containing(phrase: Sequence[int], vocabulary_size: int, at_least: int = 1, at_most: float = math.inf) -> Automaton:
    """Accept texts in which a phrase occurs so often; occurrences may overlap.

    State ``k m + j`` has seen the phrase of ``m`` tokens ``k`` times and now its first ``j`` tokens.

    Source: Knuth, Morris and Pratt, Fast Pattern Matching in Strings, 1977.
    """
    classes, tokens = _classes_of(phrase, vocabulary_size)
    size, cap = len(phrase), int(at_most) + 1 if math.isfinite(at_most) else at_least
    table = np.empty(((cap + 1) * size, len(tokens)), dtype=np.int64)
    for state in range(len(table)):
        count, seen = divmod(state, size)
        for number, token in enumerate(tokens):
            kept = _kept(phrase, [*phrase[:seen], token])
            again = _kept(phrase, phrase[1:]) if kept == size else kept
            table[state, number] = min(count + (kept == size), cap) * size + again
    table[:, 0] = np.arange(len(table))
    counts = np.arange(len(table)) // size
    return Automaton(classes, table, (counts >= at_least) & (counts <= at_most))


def in_order(phrases: Sequence[Sequence[int]], vocabulary_size: int) -> Automaton:
    """Accept texts in which phrases occur one after another, none overlapping the next."""
    classes, tokens = _classes_of([token for phrase in phrases for token in phrase], vocabulary_size)
    rows: list[list[int]] = []
    for phrase in phrases:
        first = len(rows)
        rows += [[first + _kept(phrase, [*phrase[:seen], token]) for token in tokens] for seen in range(len(phrase))]
    table = np.array([*rows, [len(rows)] * len(tokens)])
    table[:, 0] = np.arange(len(table))
    return Automaton(classes, table, np.arange(len(table)) == len(rows))


def side_by_side(automata: Sequence[Automaton]) -> tuple[Automaton, list[int]]:
    """Return one automaton that holds others, and the state in which each begins."""
    columns, classes = _joint([each.classes for each in automata])
    sizes = [len(each.table) for each in automata]
    starts = np.cumsum([0, *sizes[:-1]])
    parts = zip(automata, columns, starts, strict=True)
    table = np.concatenate([each.table[:, column] + start for each, column, start in parts])
    return Automaton(classes, table, np.concatenate([each.accepting for each in automata])), starts.tolist()


def require_few(count: int, most: int) -> None:
    """Refuse what takes too many states.

    Raises:
        InputError: If they are more.
    """
    if count > most:
        raise InputError(f"the demands take more than {most:,} states", "demand less at a time")


def reached(following: Callable[[Ints], Ints]) -> Ints:
    """Return the states that can be reached from state 0, in order.

    Raises:
        InputError: If they are more than 200,000.
    """
    known = frontier = np.zeros(1, dtype=np.int64)
    while len(frontier):
        frontier = np.setdiff1d(following(frontier), known)
        known = np.union1d(known, frontier)
        require_few(len(known), MOST_STATES)
    return known


def _joint(classes: Sequence[Ints]) -> tuple[Ints, Ints]:
    """Return the class of each joint class in every automaton, ``[A, C]``, and the joint class of each token."""
    columns, joint = np.unique(np.stack(classes), axis=1, return_inverse=True)
    return columns, joint.reshape(-1)


def _spoken(vocabulary_size: int) -> Ints:
    """Return class 0 for silent tokens and 1 for the others."""
    classes = np.ones(vocabulary_size, dtype=np.int64)
    classes[SILENT] = 0
    return classes


def _classes_of(tokens: Sequence[int], vocabulary_size: int) -> tuple[Ints, list[int]]:
    """Give each token that matters a class; return the classes, and of each one token, -1 for all that do not."""
    named = sorted(set(tokens))
    classes = _spoken(vocabulary_size)
    classes[named] = np.arange(len(named)) + 2
    return classes, [-1, -1, *named]


def _kept(phrase: Sequence[int], written: Sequence[int]) -> int:
    """Return how many first tokens of a phrase stand at the end of what is written."""
    sizes = range(min(len(phrase), len(written)), 0, -1)
    return next((size for size in sizes if list(written[-size:]) == list(phrase[:size])), 0)
