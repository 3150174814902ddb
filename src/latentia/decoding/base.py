"""What a strategy reads and what it returns: scores of the next token, and sequences."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latentia.distributions import TokenSequence
from latentia.distributions.token_sequence import Candidates, best_of, speakable
from latentia.shapes import EOS, PAD

State = tuple[Tensor, ...]

CODES_AT_A_TIME = 512

NO_STREAMS = torch.empty(0, dtype=torch.int64)


class Scores(ABC):
    """Log-weights of the next token, for one row a hypothesis.

    What a wrapper forbids has minus infinity, and nothing is renormalised: the sum over the tokens of a sequence stays
    the log-probability by which a search compares it, and a strategy that draws normalises what it draws from.
    """

    @abstractmethod
    def opened(self) -> tuple[State, Int[Tensor, " N"]]:
        """State before anything is read, the first axis of each of its tensors the row, and the token to read, BOS.

        Rows that have read different numbers of tokens can be put together.
        """

    def start(self) -> tuple[Float[Tensor, "N V"], State]:
        """Log-weights of the first token, and the state."""
        return self.step(*self.opened())

    @abstractmethod
    def step(self, state: State, tokens: Int[Tensor, " N"]) -> tuple[Float[Tensor, "N V"], State]:
        """Read one more token a row."""

    @abstractmethod
    def streams(self, rows: int) -> Int[Tensor, " N"]:
        """Return the stream of random numbers of each code; what a strategy draws for a code comes from its own."""

    @abstractmethod
    def missing(self, state: State) -> Int[Tensor, "N V"]:
        """Return how many more tokens a demanded text needs after each next one; 1 x 1 where it is all the same."""


class Likelihood(Scores):
    """``p(x|z)`` without PAD and BOS, which are no tokens of the language: their probability goes to the others.

    Args:
        likelihood: Of the codes.
        streams: One of random numbers for each code, int64; without them they follow the global generator.
    """

    def __init__(self, likelihood: TokenSequence, streams: Int[Tensor, " N"] = NO_STREAMS) -> None:
        """Keep both."""
        self.likelihood, self._streams = likelihood, streams

    def opened(self) -> tuple[State, Int[Tensor, " N"]]:
        """Begin with what the likelihood begins with."""
        return self.likelihood.opened()

    def step(self, state: State, tokens: Int[Tensor, " N"]) -> tuple[Float[Tensor, "N V"], State]:
        """Read one more token a row."""
        log_probability, state = self.likelihood.step(state, tokens)
        return speakable(log_probability), state

    def streams(self, rows: int) -> Int[Tensor, " N"]:
        """Return those that are given, or draw some."""
        return self._streams if len(self._streams) else torch.randint(torch.iinfo(torch.int64).max, (rows,))

    def missing(self, state: State) -> Int[Tensor, "1 1"]:
        """Every text will do."""
        return torch.zeros((1, 1), dtype=torch.int32, device=state[0].device)


def propose(
    scores: Scores, state: State, tokens: Int[Tensor, " N"], count: int, *, normalised: bool = True
) -> tuple[Candidates, State]:
    """Read one more token a row; return the best of the next ones, with log-weights, or scores of the same order."""
    if isinstance(scores, Likelihood):
        return scores.likelihood.propose(state, tokens, count, normalised=normalised)
    log_weight, state = scores.step(state, tokens)
    return best_of(log_weight, count), state


class Strategy(ABC):
    """How the next token is chosen."""

    @property
    def codes_at_a_time(self) -> int:
        """Codes that are best searched together."""
        return CODES_AT_A_TIME

    @abstractmethod
    def search(self, scores: Scores, max_tokens: int) -> Int[Tensor, "N T"]:
        """Return one sequence a code: EOS and then padding, or cut off after ``max_tokens``."""


@torch.no_grad()
def decode(
    likelihood: TokenSequence, strategy: Strategy, max_tokens: int, streams: Int[Tensor, " N"] = NO_STREAMS
) -> list[list[int]]:
    """Decode every code of a likelihood, in order; ids end before EOS.

    Args:
        likelihood: ``p(x|z)`` of ``N = S * B`` codes.
        strategy: How tokens are chosen.
        max_tokens: Tokens after which a sequence is cut off.
        streams: Of random numbers, one for each code: what is drawn for it then depends on nothing else. Without them
            draws follow the global generator.
    """
    sequences = strategy.search(Likelihood(likelihood, streams), max_tokens)
    lengths = ((sequences == EOS) | (sequences == PAD)).logical_not().cumprod(dim=1).sum(dim=1)
    return [ids[:length] for ids, length in zip(sequences.tolist(), lengths.tolist(), strict=True)]
