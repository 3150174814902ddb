"""Beam search."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from latentia.decoding.base import CODES_AT_A_TIME, Scores, Strategy, propose
from latentia.errors import InputError
from latentia.shapes import EOS, PAD

WIDEST, STEEPEST = 2000, 10

HYPOTHESES_AT_A_TIME = 5120
"""Partial sequences that are extended together."""


class Beam(Strategy):
    r"""The best of ``width`` partial sequences, by :math:`\log p(x|z) / T^{\alpha}`.

    A code whose best ended sequence no other can pass any more is done: log-probabilities only fall.

    Args:
        width: Partial sequences kept a code.
        length_penalty: ``alpha``, the power of the length that divides log-probabilities; 0 favours short sequences.

    Source: Wu et al., Google's Neural Machine Translation System, 2016, section 7, with the plain power of ``T``.

    Raises:
        InputError: For a width below 1 or above 2,000, or a power beyond 10.
    """

    def __init__(self, width: int = 5, length_penalty: float = 0.0) -> None:
        """Check and keep the settings."""
        self.width, self.length_penalty = checked_width(width), checked_penalty(length_penalty)

    @property
    def codes_at_a_time(self) -> int:
        """Fewer with a wider beam."""
        return codes_of_width(self.width)

    def search(self, scores: Scores, max_tokens: int) -> Int[Tensor, "N T"]:
        """Extend the sequences that have not ended of the codes that are not done."""
        candidates, state = propose(scores, *scores.opened(), self.width)
        hypotheses = Hypotheses.begun(*candidates, self.width, self.length_penalty)
        live = torch.arange(len(hypotheses.paths), device=hypotheses.paths.device)
        row = live[:, None].expand(-1, self.width)
        texts = torch.full((len(live), max_tokens), PAD, device=live.device)
        for length in range(1, max_tokens + 1):
            done = hypotheses.done(max_tokens)
            texts[live[done], :length] = hypotheses.best()[done]
            live, hypotheses, row = live[~done], hypotheses.of(~done), row[~done]
            if not len(live):
                break
            going = hypotheses.going
            rows = tuple(part[row[going]] for part in state)
            candidates, state = propose(scores, rows, hypotheses.paths[..., -1][going], self.width)
            hypotheses, parent = hypotheses.extended(*candidates)
            row = torch.zeros_like(parent).masked_scatter(going, torch.arange(int(going.sum()), device=row.device))
            row = row.gather(1, parent)
        return texts[:, :length]


@dataclass(frozen=True)
class Hypotheses:
    """Partial sequences, ``W`` a code.

    Attributes:
        paths: Tokens so far; PAD after EOS.
        totals: Log-probabilities, minus infinity where there is no sequence.
        lengths: Tokens, EOS counted.
        length_penalty: Power of the length that divides log-probabilities when they are compared.
    """

    paths: Int[Tensor, "N W T"]
    totals: Float[Tensor, "N W"]
    lengths: Float[Tensor, "N W"]
    length_penalty: float

    @classmethod
    def begun(
        cls, values: Float[Tensor, "N K"], tokens: Int[Tensor, "N K"], width: int, length_penalty: float
    ) -> Hypotheses:
        """Begin with the best first tokens; where there are fewer than sequences, the others are none."""
        missing = width - values.shape[1]
        totals, paths = pad(values, (0, missing), value=-torch.inf), pad(tokens, (0, missing), value=PAD)
        return cls(paths[:, :, None], totals, torch.ones_like(totals), length_penalty)

    @property
    def going(self) -> Bool[Tensor, "N W"]:
        """Sequences that have not ended."""
        last = self.paths[..., -1]
        return (last != EOS) & (last != PAD) & self.totals.isfinite()

    @property
    def ranks(self) -> Float[Tensor, "N W"]:
        """By what sequences are compared."""
        return self.totals / self.lengths**self.length_penalty

    def best(self) -> Int[Tensor, "N T"]:
        """Return the best sequence of each code."""
        return self.paths[torch.arange(len(self.paths), device=self.paths.device), self.ranks.argmax(dim=1)]

    def done(self, max_tokens: int) -> Bool[Tensor, " N"]:
        """Tell the codes whose best sequence stays the best, or that have come to the longest length."""
        if self.paths.shape[2] == max_tokens:
            return torch.ones_like(self.totals[:, 0], dtype=torch.bool)
        going = self.going
        ended = self.ranks.masked_fill(going, -torch.inf).amax(dim=1)
        # What falls is divided by most at one end of the lengths to come.
        divisor = (self.lengths**self.length_penalty).clamp(min=max_tokens**self.length_penalty)
        attainable = (self.totals / divisor).masked_fill(~going, -torch.inf).amax(dim=1)
        return ended >= attainable

    def of(self, chosen: Bool[Tensor, " N"]) -> Hypotheses:
        """Return those of some codes."""
        return replace(self, paths=self.paths[chosen], totals=self.totals[chosen], lengths=self.lengths[chosen])

    def extended(
        self, values: Float[Tensor, "rows K"], tokens: Int[Tensor, "rows K"]
    ) -> tuple[Hypotheses, Int[Tensor, "N W"]]:
        """Extend the sequences that are going by their candidates, the others by PAD; keep the best, with parents."""
        going, (codes, width), count = self.going, self.totals.shape, values.shape[1]
        totals = self.totals.new_full((codes, width, count), -torch.inf)
        totals[..., 0] = self.totals.masked_fill(going, -torch.inf)
        totals[going] = self.totals[going][:, None] + values
        written = self.paths.new_full((codes, width, count), PAD)
        written[going] = tokens
        lengths = self.lengths + going
        ranks = totals / lengths[:, :, None] ** self.length_penalty
        kept = ranks.flatten(1).topk(width, dim=1).indices
        parent = kept // count
        paths = self.paths.gather(1, parent[:, :, None].expand(-1, -1, self.paths.shape[2]))
        paths = torch.cat([paths, written.flatten(1).gather(1, kept)[:, :, None]], dim=2)
        totals, lengths = totals.flatten(1).gather(1, kept), lengths.gather(1, parent)
        return Hypotheses(paths, totals, lengths, self.length_penalty), parent


def checked_width(width: int) -> int:
    """Return a width.

    Raises:
        InputError: If it is below 1 or above 2,000.
    """
    if not 1 <= width <= WIDEST:
        raise InputError(f"width is {width}", f"give 1 to {WIDEST:,}; 1 is greedy decoding")
    return width


def checked_penalty(length_penalty: float) -> float:
    """Return a power of lengths.

    Raises:
        InputError: If it is beyond 10, at which lengths still have one.
    """
    if not abs(length_penalty) <= STEEPEST:
        raise InputError(f"length_penalty is {length_penalty:g}", f"give -{STEEPEST} to {STEEPEST}")
    return length_penalty


def codes_of_width(width: int) -> int:
    """Return how many codes are searched together, so that a wider beam takes no more memory."""
    return max(1, min(CODES_AT_A_TIME, HYPOTHESES_AT_A_TIME // width))
