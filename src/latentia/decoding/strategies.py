"""From codes to token sequences, a batch at a time with cached state."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latentia.distributions import TokenSequence
from latentia.errors import InputError
from latentia.shapes import BOS, EOS, PAD

State = tuple[Tensor, ...]
SMALLEST = torch.finfo(torch.float32).tiny


class Strategy(ABC):
    """How the next token is chosen."""

    @abstractmethod
    def search(self, likelihood: TokenSequence, max_tokens: int) -> Int[Tensor, "N T"]:
        """Return one sequence a code: EOS and then padding, or cut off after ``max_tokens``."""


class Greedy(Strategy):
    """The most probable token at each step."""

    def search(self, likelihood: TokenSequence, max_tokens: int) -> Int[Tensor, "N T"]:
        """Take the largest log-probability."""
        return _one_path(likelihood, max_tokens, lambda log_probability: log_probability.argmax(dim=-1))


class Ancestral(Strategy):
    """Tokens drawn from the model, sharpened or truncated.

    Args:
        temperature: Divides the log-probabilities; below 1 sharpens.
        top_k: Keep the ``k`` most probable tokens; 0 keeps all.
        top_p: Keep the smallest set of tokens that holds this probability (Holtzman et al., 2020); 1 keeps all.

    Raises:
        InputError: For a temperature that is not positive, a negative ``top_k``, a ``top_p`` outside (0, 1].
    """

    def __init__(self, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> None:
        """Check and keep the settings."""
        if not (temperature > 0 and math.isfinite(temperature)):
            raise InputError(f"temperature is {temperature}", "give a number above 0; greedy decoding is its limit")
        if top_k < 0:
            raise InputError(f"top_k is {top_k}", "give a number of tokens, or 0 for all")
        if not 0 < top_p <= 1:
            raise InputError(f"top_p is {top_p}", "give a probability above 0 and at most 1")
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p

    def search(self, likelihood: TokenSequence, max_tokens: int) -> Int[Tensor, "N T"]:
        """Draw a token a step."""
        return _one_path(likelihood, max_tokens, self.draw)

    def draw(self, log_probability: Float[Tensor, "N V"]) -> Int[Tensor, " N"]:
        """Draw one token a row."""
        return torch.multinomial(self.truncated(log_probability).exp(), 1)[:, 0]

    def truncated(self, log_probability: Float[Tensor, "N V"]) -> Float[Tensor, "N V"]:
        """Sharpened log-probabilities, renormalised over the tokens kept."""
        # Distances from the largest, so that at the smallest temperature it alone stays finite.
        below = log_probability - log_probability.amax(dim=-1, keepdim=True)
        scores = torch.log_softmax(below / max(self.temperature, SMALLEST), dim=-1)
        if self.top_k and self.top_k < scores.shape[-1]:
            smallest = scores.topk(self.top_k, dim=-1).values[:, -1:]
            scores = scores.masked_fill(scores < smallest, -torch.inf)
        if self.top_p < 1:
            scores = self._nucleus(torch.log_softmax(scores, dim=-1))
        return torch.log_softmax(scores, dim=-1)

    def _nucleus(self, scores: Tensor) -> Tensor:
        """Drop a token when those more probable already hold ``top_p``; the first always stays."""
        ordered, order = scores.sort(dim=-1, descending=True)
        before = ordered.exp().cumsum(dim=-1) - ordered.exp()
        dropped = (before >= self.top_p).scatter(1, order, before >= self.top_p)
        return scores.masked_fill(dropped, -torch.inf)


class Beam(Strategy):
    r"""The best of ``width`` partial sequences, by :math:`\log p(x|z) / T^{\alpha}`.

    Args:
        width: Partial sequences kept a code.
        length_penalty: ``alpha``; 0 compares plain log-probabilities, which favours short sequences.

    Source: Wu et al., Google's Neural Machine Translation System, 2016, section 7, with the plain power of ``T``.

    Raises:
        InputError: For a width below 1.
    """

    def __init__(self, width: int = 5, length_penalty: float = 0.0) -> None:
        """Check and keep the settings."""
        if width < 1:
            raise InputError(f"width is {width}", "give at least 1; 1 is greedy decoding")
        self.width, self.length_penalty = width, length_penalty

    def search(self, likelihood: TokenSequence, max_tokens: int) -> Int[Tensor, "N T"]:
        """Extend all beams together; a finished beam keeps its score and is extended by padding alone."""
        log_probability, state = likelihood.start()
        codes = log_probability.shape[0]
        origin = torch.arange(codes, device=log_probability.device).repeat_interleave(self.width)
        state = tuple(part[origin] for part in state)
        log_probability = log_probability[origin]
        scores = torch.full((codes, self.width), -torch.inf, device=origin.device)
        scores[:, 0] = 0.0
        paths = origin.new_empty((codes * self.width, 0))
        lengths = torch.zeros_like(scores)
        for _ in range(max_tokens):
            finished = _ended(paths)
            scores, lengths, parent, token = self._extend(scores, lengths, log_probability, finished)
            paths = torch.cat([paths[parent], token[:, None]], dim=1)
            if bool(_ended(paths).all()):
                break
            log_probability, state = likelihood.step(tuple(part[parent] for part in state), token)
        best = self._ranked(scores, lengths).argmax(dim=1)
        return paths.view(codes, self.width, -1)[torch.arange(codes), best]

    def _extend(
        self, scores: Tensor, lengths: Tensor, log_probability: Tensor, finished: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Choose the best continuations of each code's beams."""
        codes, vocabulary = scores.shape[0], log_probability.shape[-1]
        log_probability = _only_padding(log_probability, finished)
        total = scores[:, :, None] + log_probability.view(codes, self.width, vocabulary)
        grown = lengths + (~finished).view_as(lengths)
        ranked = self._ranked(total, grown[:, :, None]).flatten(1).topk(self.width, dim=1).indices
        beam, token = ranked // vocabulary, ranked % vocabulary
        parent = (torch.arange(codes, device=beam.device)[:, None] * self.width + beam).flatten()
        return total.flatten(1).gather(1, ranked), grown.gather(1, beam), parent, token.flatten()

    def _ranked(self, scores: Tensor, lengths: Tensor) -> Tensor:
        return scores / lengths.clamp(min=1) ** self.length_penalty


@torch.no_grad()
def decode(likelihood: TokenSequence, strategy: Strategy, max_tokens: int) -> list[list[int]]:
    """Decode every code of a likelihood, in order; ids end before EOS.

    Args:
        likelihood: ``p(x|z)`` of ``N = S * B`` codes.
        strategy: How tokens are chosen.
        max_tokens: Tokens after which a sequence is cut off.
    """
    sequences: list[list[int]] = strategy.search(likelihood, max_tokens).tolist()
    return [_before_end(sequence) for sequence in sequences]


def _before_end(sequence: list[int]) -> list[int]:
    ends = [place for place, token in enumerate(sequence) if token in (EOS, PAD)]
    return sequence[: ends[0]] if ends else sequence


def _one_path(likelihood: TokenSequence, max_tokens: int, choose: object) -> Int[Tensor, "N T"]:
    """Extend one path a code until all have ended; a path that has is no longer computed."""
    log_probability, state = likelihood.start()
    live = torch.arange(log_probability.shape[0], device=log_probability.device)
    path = torch.full((len(live), max_tokens), PAD, device=live.device)
    for step in range(max_tokens):
        token = choose(_speakable(log_probability))  # type: ignore[operator]
        path[live, step] = token
        going = token != EOS
        live, token, state = live[going], token[going], tuple(part[going] for part in state)
        if not len(live):
            break
        log_probability, state = likelihood.step(state, token)
    return path[:, : step + 1]


def _speakable(log_probability: Float[Tensor, "N V"]) -> Float[Tensor, "N V"]:
    """PAD and BOS are no tokens of the language; their small probability goes to the others."""
    silent = torch.tensor([PAD, BOS], device=log_probability.device)
    return torch.log_softmax(log_probability.index_fill(1, silent, -torch.inf), dim=-1)


def _only_padding(log_probability: Tensor, finished: Tensor) -> Tensor:
    """Continue an ended path by PAD alone, at no cost."""
    padding = torch.full_like(log_probability[:1], -torch.inf)
    padding[:, PAD] = 0.0
    return torch.where(finished[:, None], padding, _speakable(log_probability))


def _ended(paths: Int[Tensor, "N T"]) -> Tensor:
    return (paths == EOS).any(dim=1)
