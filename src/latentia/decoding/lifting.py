"""From automata over the bytes of a text to automata over its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentia.decoding.automaton import SILENT, Automaton, Bools, Ints, reached, require_few

MOST_CELLS = 2**27
"""Next states, one a state and token, beyond which a lifting is refused."""


@dataclass(frozen=True, eq=False)
class ByteMachine:
    """A complete deterministic automaton over bytes that begins in state 0.

    Attributes:
        table: Next state, ``[Q, 256]``.
        accepting: Whether a text may end in a state, ``[Q]``.
    """

    table: Ints
    accepting: Bools

    def after(self, states: Ints, pieces: Sequence[bytes]) -> Ints:
        """Return the state after each piece from each state, ``[Q, V]``.

        Raises:
            InputError: If they are too many.
        """
        require_few(len(states) * len(pieces), MOST_CELLS)
        after = np.repeat(states[:, None], len(pieces), axis=1)
        for place in range(max(map(len, pieces))):
            longer = [number for number, piece in enumerate(pieces) if len(piece) > place]
            after[:, longer] = self.table[after[:, longer], [pieces[number][place] for number in longer]]
        return after

    def over_tokens(self, pieces: Sequence[bytes], separator: bytes) -> Automaton:
        """Accept the texts that this accepts as tokens; state 0 is before the first, others are one more than here.

        Args:
            pieces: What each token writes.
            separator: What is written between two.

        Raises:
            InputError: If the states are too many.
        """
        later = [separator + piece for piece in pieces]
        first = self.after(np.zeros(1, dtype=np.int64), pieces) + 1

        def following(states: Ints) -> Ints:
            after = np.where((states == 0)[:, None], first, self.after(np.maximum(states - 1, 0), later) + 1)
            after[:, SILENT] = states[:, None]
            return after

        states = reached(following)
        table = np.searchsorted(states, following(states))
        columns, classes = np.unique(np.delete(table, SILENT, axis=1), axis=1, return_inverse=True)
        numbers = np.zeros(len(pieces), dtype=np.int64)
        numbers[np.setdiff1d(np.arange(len(pieces)), SILENT)] = classes.reshape(-1) + 1
        table = np.column_stack([np.arange(len(states)), columns])
        return Automaton(numbers, table, self.accepting[np.maximum(states - 1, 0)]).minimal()
