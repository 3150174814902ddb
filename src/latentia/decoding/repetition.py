"""Less of what is written already, from any strategy."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latentia.decoding.base import Scores, State, Strategy
from latentia.errors import InputError
from latentia.shapes import PAD


class RepetitionScores(Scores):
    """Scores that know what has been written: the last tokens are one more tensor of the decoding state."""

    def __init__(self, scores: Scores, penalty: float, size: int, max_tokens: int) -> None:
        """Keep the settings."""
        self.scores, self.penalty, self.size, self.max_tokens = scores, penalty, size, max_tokens

    def opened(self) -> tuple[State, Int[Tensor, " N"]]:
        """Nothing is written, but PAD, which never is."""
        inner, opening = self.scores.opened()
        return (opening.new_full((len(opening), self.max_tokens), PAD), *inner), opening

    def step(self, state: State, tokens: Int[Tensor, " N"]) -> tuple[Float[Tensor, "N V"], State]:
        """Write one more token a row."""
        written, *inner = state
        log_weight, rest = self.scores.step(tuple(inner), tokens)
        written = torch.cat([written[:, 1:], tokens[:, None]], dim=1)
        penalised = log_weight.scatter(1, written, log_weight.gather(1, written) * self.penalty)
        return self._without_ngrams(penalised, written), (written, *rest)

    def streams(self, rows: int) -> Int[Tensor, " N"]:
        """Return what the others say."""
        return self.scores.streams(rows)

    def missing(self, state: State) -> Int[Tensor, "N V"]:
        """Return what the others say."""
        return self.scores.missing(state[1:])

    def _without_ngrams(self, log_weight: Tensor, written: Int[Tensor, "N T"]) -> Float[Tensor, "N V"]:
        """Forbid what would complete an n-gram that is written already, unless nothing else may be written."""
        if not self.size or written.shape[1] < self.size:
            return log_weight
        ngrams = written.unfold(1, self.size, 1)
        last = written[:, written.shape[1] - self.size + 1 :]
        begun = (ngrams[:, :, :-1] == last[:, None]).all(dim=2)
        times = torch.zeros_like(log_weight).scatter_add(1, ngrams[:, :, -1], begun.to(log_weight.dtype))
        left = log_weight.masked_fill(times > 0, -torch.inf)
        return torch.where(left.isneginf().all(dim=1, keepdim=True), log_weight, left)


class RepetitionControl(Strategy):
    r"""Another strategy that repeats itself less.

    .. math:: s(v) = \theta \log p(v \mid x_{<t}, z) \quad \text{where } v \text{ has been written}

    which raises the probability of a written token to the power ``theta``. The paper divides logits, which are
    known up to a constant alone; log-probabilities, which are not positive, are multiplied. What else is demanded goes
    before: an n-gram is repeated where nothing else may be written.

    Args:
        strategy: How tokens are chosen.
        repetition_penalty: ``theta``, the power to which the probability of a token that has been written is raised;
            1 changes nothing.
        no_repeat: No run of so many tokens is written twice; 0 allows all.

    Source: Keskar et al., CTRL, 2019, section 4.1; Paulus et al., A Deep Reinforced Model, 2018, section 2.5.

    Raises:
        InputError: For a penalty below 1, or a negative size.
    """

    def __init__(self, strategy: Strategy, repetition_penalty: float = 1.0, no_repeat: int = 0) -> None:
        """Check and keep the settings."""
        if not 1 <= repetition_penalty < math.inf:
            raise InputError(f"repetition_penalty is {repetition_penalty}", "give 1 or more")
        if no_repeat < 0:
            raise InputError(f"no_repeat is {no_repeat}", "give a number of tokens, or 0 to allow all")
        self.strategy, self.penalty, self.size = strategy, repetition_penalty, no_repeat

    @property
    def codes_at_a_time(self) -> int:
        """As many as the other strategy takes."""
        return self.strategy.codes_at_a_time

    def search(self, scores: Scores, max_tokens: int) -> Int[Tensor, "N T"]:
        """Search with scores that know what has been written."""
        return self.strategy.search(RepetitionScores(scores, self.penalty, self.size, max_tokens), max_tokens)
