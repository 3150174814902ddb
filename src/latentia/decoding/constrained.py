"""What an automaton accepts, from any strategy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from latentia.decoding.automaton import Automaton
from latentia.decoding.base import Scores, State, Strategy
from latentia.errors import ImpossibleError
from latentia.shapes import EOS


class Tables(NamedTuple):
    """An automaton as tensors.

    Attributes:
        starts: State in which each row begins, or one for all.
        classes: Class of each token, ``[V]``.
        after: Next state, ``[Q, C]``.
        missing: Tokens to acceptance from the next state, ``[Q, C]``.
        accepting: Whether a text may end in a state, ``[Q]``.
    """

    starts: Tensor
    classes: Tensor
    after: Tensor
    missing: Tensor
    accepting: Tensor

    @classmethod
    def of(cls, automaton: Automaton, starts: Sequence[int]) -> Tables:
        """Convert the tables."""
        missing = automaton.distances[automaton.table].astype(np.int32)
        parts = (automaton.classes, automaton.table, missing, automaton.accepting)
        return cls(torch.tensor(starts), *map(torch.from_numpy, parts))


class ConstrainedScores(Scores):
    r"""Scores of the tokens after which an accepted text of the remaining length exists.

    .. math:: \text{token } v \text{ in state } q \text{ with } n \text{ tokens left: } d(\delta(q, v)) \le n - 1

    where ``d`` is the distance to acceptance; EOS in accepting states alone. The state of the automaton and the tokens
    left are two more tensors of the decoding state.

    Args:
        scores: Of all tokens.
        automaton: What is accepted.
        starts: State in which each row begins, or one for all.
        max_tokens: Of a text.
    """

    def __init__(self, scores: Scores, automaton: Automaton, starts: Sequence[int], max_tokens: int) -> None:
        """Keep the parts."""
        self.scores, self.max_tokens = scores, max_tokens
        self.tables = Tables.of(automaton, starts)

    def opened(self) -> tuple[State, Int[Tensor, " N"]]:
        """Begin in the first states, where BOS changes nothing, with all tokens left after it."""
        inner, opening = self.scores.opened()
        self.tables = Tables(*(table.to(opening.device) for table in self.tables))
        place = self.tables.starts.expand(len(opening))
        return (place, torch.full_like(place, self.max_tokens + 1), *inner), opening

    def step(self, state: State, tokens: Int[Tensor, " N"]) -> tuple[Float[Tensor, "N V"], State]:
        """Move to the next states."""
        place, left, *inner = state
        log_weight, rest = self.scores.step(tuple(inner), tokens)
        place, left = self.tables.after[place, self.tables.classes[tokens]], left - 1
        return self._allowed(log_weight, place, left), (place, left, *rest)

    def streams(self, rows: int) -> Int[Tensor, " N"]:
        """Return what the others say."""
        return self.scores.streams(rows)

    def missing(self, state: State) -> Int[Tensor, "N V"]:
        """Return the distance to acceptance after each token; of EOS none."""
        missing = self.tables.missing[state[0]][:, self.tables.classes]
        missing[:, EOS] = 0
        return missing

    def _allowed(self, log_weight: Tensor, place: Tensor, left: Tensor) -> Float[Tensor, "N V"]:
        within: Bool[Tensor, "N C"] = self.tables.missing[place] < left[:, None]
        allowed = within[:, self.tables.classes]
        allowed[:, EOS] = self.tables.accepting[place]
        return log_weight.masked_fill(~allowed, -torch.inf)


class Constrained(Strategy):
    """Another strategy, among the texts that an automaton accepts; each text that comes out is one of them.

    Args:
        strategy: How tokens are chosen among those that may be written.
        automaton: What is accepted.
        starts: State in which each code begins, or one for all codes.
    """

    def __init__(self, strategy: Strategy, automaton: Automaton, starts: Sequence[int] = (0,)) -> None:
        """Keep the parts."""
        self.strategy, self.automaton, self.starts = strategy, automaton, starts

    @property
    def codes_at_a_time(self) -> int:
        """As many as the other strategy takes."""
        return self.strategy.codes_at_a_time

    def search(self, scores: Scores, max_tokens: int) -> Int[Tensor, "N T"]:
        """Search with what is not accepted at minus infinity.

        Raises:
            ImpossibleError: Before anything is computed, if no accepted text is short enough.
        """
        fewest = int(self.automaton.distances[list(self.starts)].max())
        if fewest > max_tokens:
            raise ImpossibleError(
                f"no text of {max_tokens} tokens meets the demands", "demand less, or of a model of longer texts"
            )
        return self.strategy.search(ConstrainedScores(scores, self.automaton, self.starts, max_tokens), max_tokens)
