"""Beam searches that do not simply keep the best: they look at every continuation of every partial sequence."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from latentia.decoding.base import Scores, State, Strategy
from latentia.decoding.beam import checked_penalty, checked_width, codes_of_width
from latentia.shapes import BOS, EOS, PAD


@dataclass(frozen=True)
class Continuations:
    """Every continuation of every partial sequence: ``N`` codes with ``W`` sequences each.

    Attributes:
        ranks: By what they are compared, larger first.
        finished: Sequences that have ended, which only padding continues.
        scores: Which gave them.
        state: Of the scores, a row a sequence.
    """

    ranks: Float[Tensor, "N W V"]
    finished: Bool[Tensor, "N W"]
    scores: Scores
    state: State


class BeamSearch(Strategy):
    """Extend all partial sequences together; a finished one keeps its score and is extended by padding alone."""

    def __init__(self, width: int, length_penalty: float) -> None:
        """Check and keep the settings."""
        self.width, self.length_penalty = checked_width(width), checked_penalty(length_penalty)

    @property
    def codes_at_a_time(self) -> int:
        """Fewer with a wider beam."""
        return codes_of_width(self.width)

    @abstractmethod
    def chosen(self, continuations: Continuations) -> Int[Tensor, "N W"]:
        """Return which continuations are kept, as numbers among ``W * V``."""

    @abstractmethod
    def best(self, ranks: Float[Tensor, "N W"], scores: Scores) -> Int[Tensor, " N"]:
        """Return which sequence of each code is the answer."""

    @abstractmethod
    def first(self) -> list[int]:
        """Return the sequences that begin; the others are empty until one of these is continued."""

    def search(self, scores: Scores, max_tokens: int) -> Int[Tensor, "N T"]:
        """Extend until every sequence has ended or is cut off."""
        log_weight, state = scores.start()
        codes = log_weight.shape[0]
        origin = torch.arange(codes, device=log_weight.device).repeat_interleave(self.width)
        log_weight, state = log_weight[origin], tuple(part[origin] for part in state)
        totals = torch.full((codes, self.width), -torch.inf, device=origin.device)
        totals[:, self.first()] = 0.0
        lengths, paths = torch.zeros_like(totals), origin.new_empty((codes * self.width, 0))
        for step in range(max_tokens):
            finished = _ended(paths).view(codes, self.width)
            reached = totals[:, :, None] + _only_padding(log_weight, finished.flatten()).view(codes, self.width, -1)
            grown = lengths + (~finished)
            kept = self.chosen(Continuations(self._ranked(reached, grown[:, :, None]), finished, scores, state))
            beam, token = kept // log_weight.shape[-1], (kept % log_weight.shape[-1]).flatten()
            totals, lengths = reached.flatten(1).gather(1, kept), grown.gather(1, beam)
            parent = (torch.arange(codes, device=beam.device)[:, None] * self.width + beam).flatten()
            paths = torch.cat([paths[parent], token[:, None]], dim=1)
            over = _ended(paths) | totals.flatten().isneginf()
            if step + 1 == max_tokens or bool(over.all()):
                break
            log_weight, state = scores.step(tuple(part[parent] for part in state), token)
        best = self.best(self._ranked(totals, lengths), scores)
        return paths.view(codes, self.width, -1)[torch.arange(codes, device=best.device), best]

    def _ranked(self, totals: Tensor, lengths: Tensor) -> Tensor:
        return totals / lengths.clamp(min=1) ** self.length_penalty


class AllocatedBeam(BeamSearch):
    """Beam search whose places are dealt over banks: sequences that miss equally many tokens of what is demanded.

    An ordinary beam is filled by sequences that put off what is demanded to their very end. Here candidates are the
    best of all, of each sequence the best, and its best that come nearer to what is demanded; each bank has as many
    places as another, and leaves those that it cannot fill to others. Without demands it is :class:`Beam`.

    Args:
        width: Partial sequences kept a code.
        length_penalty: ``alpha``, the power of the length that divides log-probabilities; 0 favours short sequences.

    Source: Post and Vilar, Fast Lexically Constrained Decoding with Dynamic Beam Allocation, 2018, section 3; banks are
    by tokens missing, so that they serve every regular demand.

    Raises:
        InputError: For a width below 1 or above 2,000.
    """

    def __init__(self, width: int = 10, length_penalty: float = 0.0) -> None:
        """Keep the settings."""
        super().__init__(width, length_penalty)

    def chosen(self, continuations: Continuations) -> Int[Tensor, "N W"]:
        """Deal the places."""
        banks = self._banks(continuations)
        offered = _without_repeats(self._offered(continuations.ranks, banks))
        rank = continuations.ranks.flatten(1).gather(1, offered)
        places = _dealt(rank, banks.flatten(1).gather(1, offered))[:, : self.width]
        return offered.gather(1, places)

    def best(self, ranks: Float[Tensor, "N W"], scores: Scores) -> Int[Tensor, " N"]:
        """Take the best: all that are left meet the demands."""
        return ranks.argmax(dim=1)

    def first(self) -> list[int]:
        """One beginning."""
        return [0]

    def _banks(self, continuations: Continuations) -> Int[Tensor, "N W V"]:
        """Return the tokens that are missing after each continuation; none where the sequence has ended."""
        codes, width, vocabulary = continuations.ranks.shape
        missing = continuations.scores.missing(continuations.state).expand(codes * width, vocabulary)
        return missing.view(codes, width, vocabulary).masked_fill(continuations.finished[:, :, None], 0)

    def _offered(self, ranks: Float[Tensor, "N W V"], banks: Int[Tensor, "N W V"]) -> Int[Tensor, "N M"]:
        """Return the continuations that may get a place, some of them twice."""
        vocabulary = ranks.shape[-1]
        beginnings = torch.arange(self.width, device=ranks.device)[:, None] * vocabulary
        best = ranks.flatten(1).topk(self.width, dim=1).indices
        best_of_each = (ranks.argmax(dim=2, keepdim=True) + beginnings).flatten(1)
        possible = banks.masked_fill(ranks.isneginf(), torch.iinfo(banks.dtype).max)
        nearest = possible == possible.amin(dim=2, keepdim=True)
        nearer = ranks.masked_fill(~nearest, -torch.inf).topk(min(self.width, vocabulary), dim=2).indices
        return torch.cat([best, best_of_each, (nearer + beginnings).flatten(1)], dim=1)


def _dealt(rank: Float[Tensor, "N M"], bank: Int[Tensor, "N M"]) -> Int[Tensor, "N M"]:
    """Order candidates by their place in their bank, the best of every bank first, and by their rank within a place."""
    by_rank = rank.argsort(dim=1, descending=True, stable=True)
    ranked, by_bank = bank.gather(1, by_rank).sort(dim=1, stable=True)
    numbers = torch.arange(rank.shape[1], device=rank.device).expand_as(by_bank)
    place = torch.empty_like(by_bank).scatter(1, by_bank, numbers - torch.searchsorted(ranked, ranked))
    place = place.masked_fill(rank.gather(1, by_rank).isneginf(), rank.shape[1])
    return by_rank.gather(1, place.argsort(dim=1, stable=True))


def _without_repeats(numbers: Int[Tensor, "N M"]) -> Int[Tensor, "N M"]:
    """Sort numbers, with that of BOS after the first sequence, which is never written, in place of the repeated."""
    ordered = numbers.sort(dim=1).values
    repeated = torch.zeros_like(ordered, dtype=torch.bool)
    repeated[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    return ordered.masked_fill(repeated, BOS)


def _only_padding(log_weight: Float[Tensor, "N V"], finished: Bool[Tensor, " N"]) -> Float[Tensor, "N V"]:
    """Continue an ended path by PAD alone, at no cost."""
    padding = torch.full_like(log_weight[:1], -torch.inf)
    padding[:, PAD] = 0.0
    return torch.where(finished[:, None], padding, log_weight)


def _ended(paths: Int[Tensor, "N T"]) -> Bool[Tensor, " N"]:
    return (paths == EOS).any(dim=1)
