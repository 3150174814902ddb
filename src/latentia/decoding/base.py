"""What a strategy reads and what it returns: scores of the next token, and sequences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latentia.distributions import TokenSequence
from latentia.distributions.token_sequence import Candidates, best_of, speakable
from latentia.shapes import EOS, PAD

State = tuple[Tensor, ...]


class Scores(ABC):
    """Log-weights of the next token, for one row a hypothesis.

    What a wrapper forbids has minus infinity, and nothing is renormalised: the sum over the tokens of a sequence stays
    the log-probability by which a search compares it, and a strategy that draws normalises what it draws from.
    """

    @abstractmethod
    def start(self) -> tuple[Float[Tensor, "N V"], State]:
        """Log-weights of the first token, and the state; the first axis of each of its tensors is the row."""

    @abstractmethod
    def step(self, state: State, tokens: Int[Tensor, " N"]) -> tuple[Float[Tensor, "N V"], State]:
        """Read one more token a row."""

    @abstractmethod
    def missing(self, state: State) -> Int[Tensor, "N V"]:
        """Return how many more tokens a demanded text needs after each next one; 1 x 1 where it is all the same."""


class Likelihood(Scores):
    """``p(x|z)`` without PAD and BOS, which are no tokens of the language: their probability goes to the others."""

    def __init__(self, likelihood: TokenSequence) -> None:
        """Keep the distribution."""
        self.likelihood = likelihood

    def start(self) -> tuple[Float[Tensor, "N V"], State]:
        """Read BOS."""
        log_probability, state = self.likelihood.start()
        return speakable(log_probability), state

    def step(self, state: State, tokens: Int[Tensor, " N"]) -> tuple[Float[Tensor, "N V"], State]:
        """Read one more token a row."""
        log_probability, state = self.likelihood.step(state, tokens)
        return speakable(log_probability), state

    def missing(self, state: State) -> Int[Tensor, "1 1"]:
        """Every text will do."""
        return torch.zeros((1, 1), dtype=torch.int32, device=state[0].device)


def propose_first(scores: Scores, count: int, *, normalised: bool = True) -> tuple[Candidates, State]:
    """Return the best first tokens of each row, as :func:`propose` does those that come later."""
    if isinstance(scores, Likelihood):
        return scores.likelihood.propose(*scores.likelihood.opened(), count, normalised=normalised)
    log_weight, state = scores.start()
    return best_of(log_weight, count), state


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

    @abstractmethod
    def search(self, scores: Scores, max_tokens: int) -> Int[Tensor, "N T"]:
        """Return one sequence a code: EOS and then padding, or cut off after ``max_tokens``."""


@torch.no_grad()
def decode(likelihood: TokenSequence, strategy: Strategy, max_tokens: int) -> list[list[int]]:
    """Decode every code of a likelihood, in order; ids end before EOS.

    Args:
        likelihood: ``p(x|z)`` of ``N = S * B`` codes.
        strategy: How tokens are chosen.
        max_tokens: Tokens after which a sequence is cut off.
    """
    sequences: list[list[int]] = strategy.search(Likelihood(likelihood), max_tokens).tolist()
    return [_before_end(sequence) for sequence in sequences]


Follow = Callable[[State, Int[Tensor, " N"]], tuple[Int[Tensor, " N"], State]]
"""Reads one more token a row and chooses the next."""


def one_path(token: Int[Tensor, " N"], state: State, follow: Follow, max_tokens: int) -> Int[Tensor, "N T"]:
    """Extend one path a code until all have ended; a path that has is no longer computed."""
    live = torch.arange(len(token), device=token.device)
    path = torch.full((len(live), max_tokens), PAD, device=live.device)
    for step in range(max_tokens):
        path[live, step] = token
        going = token != EOS
        if not bool(going.all()):
            live, token, state = live[going], token[going], tuple(part[going] for part in state)
        if step + 1 == max_tokens or not len(live):
            break
        token, state = follow(state, token)
    return path[:, : step + 1]


def _before_end(sequence: list[int]) -> list[int]:
    ends = [place for place, token in enumerate(sequence) if token in (EOS, PAD)]
    return sequence[: ends[0]] if ends else sequence
