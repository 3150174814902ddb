"""Strategies that follow one path a code: the most probable token, or one that is drawn."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from functools import cache, partial

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from latentia.decoding.base import Scores, State, Strategy, propose
from latentia.errors import ImpossibleError, InputError
from latentia.functional.streams import integers, uniforms
from latentia.shapes import EOS, PAD

SMALLEST = torch.finfo(torch.float32).tiny

PATHS_AT_A_TIME = 256

ROWS_TRIED = 512
"""Drafts that are drawn together by :class:`Rejection`."""


Chance = Callable[[], Float64[Tensor, " N"]]
"""Returns the random number of each row at this step, uniform on [0, 1)."""


def drawn(probability: Float[Tensor, "N V"], chance: Float64[Tensor, " N"]) -> Int[Tensor, " N"]:
    """Return the token of each row whose share of the row's sum, the shares laid end to end, holds its number."""
    ends = probability.cumsum(dim=1, dtype=torch.float64)
    return torch.searchsorted(ends, (chance * ends[:, -1])[:, None], right=True)[:, 0]


def _chances(
    streams: Callable[[], Int[Tensor, " M"]], live: Int[Tensor, " N"], steps: Int[Tensor, " N"]
) -> Float64[Tensor, " N"]:
    """Return the numbers of the paths that are followed, each from its own stream at its own step."""
    return uniforms(streams().to(live.device)[live], steps)


class OnePath(Strategy):
    """A strategy that follows one path a code, some at a time; where one ends, that of the next code begins.

    So the weights are read for many paths at all steps but the very last, whatever the lengths.
    """

    @property
    def codes_at_a_time(self) -> int:
        """Many times as many as paths, which leaves few steps of few paths."""
        return 16 * PATHS_AT_A_TIME

    @abstractmethod
    def follow(
        self, scores: Scores, state: State, tokens: Int[Tensor, " N"], chance: Chance
    ) -> tuple[Int[Tensor, " N"], State]:
        """Read one more token a row; return the next, and the state."""

    def search(self, scores: Scores, max_tokens: int) -> Int[Tensor, "N T"]:
        """Follow the paths until all have ended or are cut off."""
        waiting, opening = scores.opened()
        # Asked for with the first number that is drawn: a strategy that draws none moves no generator.
        streams = cache(partial(scores.streams, len(opening)))
        texts, lengths = opening.new_full((len(opening), max_tokens), PAD), torch.zeros_like(opening)
        live = torch.arange(min(PATHS_AT_A_TIME, len(opening)), device=opening.device)
        begun, token, state = len(live), opening[live], tuple(part[live] for part in waiting)
        while len(live):
            token, state = self.follow(scores, state, token, partial(_chances, streams, live, lengths[live]))
            texts[live, lengths[live]] = token
            lengths[live] += 1
            going = (token != EOS) & (lengths[live] < max_tokens)
            if bool(going.all()):
                continue
            new = torch.arange(begun, min(begun + int((~going).sum()), len(opening)), device=live.device)
            begun += len(new)
            live, token = torch.cat([live[going], new]), torch.cat([token[going], opening[new]])
            state = tuple(torch.cat([now[going], later[new]]) for now, later in zip(state, waiting, strict=True))
        return texts


class Greedy(OnePath):
    """The most probable token at each step."""

    def follow(
        self, scores: Scores, state: State, tokens: Int[Tensor, " N"], chance: Chance
    ) -> tuple[Int[Tensor, " N"], State]:
        """Take the largest log-probability, and of the others no notice."""
        (_, best), state = propose(scores, state, tokens, 1, normalised=False)
        return best[:, 0], state


class Ancestral(OnePath):
    r"""Tokens drawn from the model, sharpened or truncated.

    Args:
        temperature: Divides the log-probabilities; below 1 sharpens.
        top_k: Keep the ``k`` most probable tokens; 0 keeps all.
        top_p: Keep the smallest set of tokens that holds this probability (Holtzman et al., 2020); 1 keeps all.
        typical_p: Keep the tokens whose surprise -log p is nearest to the entropy of the step, as few as hold this
            probability (Meister et al., Locally Typical Sampling, 2022, section 4); 1 keeps all.

    Raises:
        InputError: For a temperature that is not positive, a negative ``top_k``, a ``top_p`` or ``typical_p`` outside
            (0, 1].
    """

    def __init__(self, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, typical_p: float = 1.0) -> None:
        """Check and keep the settings."""
        if not (temperature > 0 and math.isfinite(temperature)):
            raise InputError(f"temperature is {temperature}", "give a number above 0; greedy decoding is its limit")
        if top_k < 0:
            raise InputError(f"top_k is {top_k}", "give a number of tokens, or 0 for all")
        for name, value in {"top_p": top_p, "typical_p": typical_p}.items():
            if not 0 < value <= 1:
                raise InputError(f"{name} is {value}", "give a probability above 0 and at most 1")
        self.temperature, self.top_k, self.top_p, self.typical_p = temperature, top_k, top_p, typical_p

    def follow(
        self, scores: Scores, state: State, tokens: Int[Tensor, " N"], chance: Chance
    ) -> tuple[Int[Tensor, " N"], State]:
        """Draw the next."""
        log_weight, state = scores.step(state, tokens)
        return self.draw(log_weight, chance()), state

    def draw(self, log_weight: Float[Tensor, "N V"], chance: Float64[Tensor, " N"]) -> Int[Tensor, " N"]:
        """Draw one token a row, which a number on [0, 1) decides."""
        return drawn(self.truncated(log_weight).exp(), chance)

    def truncated(self, log_weight: Float[Tensor, "N V"]) -> Float[Tensor, "N V"]:
        """Sharpened log-probabilities, renormalised over the tokens kept."""
        # Distances from the largest, so that at the smallest temperature it alone stays finite.
        below = log_weight - log_weight.amax(dim=-1, keepdim=True)
        scores = torch.log_softmax(below / max(self.temperature, SMALLEST), dim=-1)
        if self.top_k and self.top_k < scores.shape[-1]:
            smallest = scores.topk(self.top_k, dim=-1).values[:, -1:]
            scores = scores.masked_fill(scores < smallest, -torch.inf)
        if self.top_p < 1:
            scores = torch.log_softmax(scores, dim=-1)
            scores = _smallest_set(scores, -scores, self.top_p)
        if self.typical_p < 1:
            scores = torch.log_softmax(scores, dim=-1)
            entropy = torch.special.entr(scores.exp()).sum(dim=-1, keepdim=True)
            scores = _smallest_set(scores, (scores + entropy).abs(), self.typical_p)
        return torch.log_softmax(scores, dim=-1)


class Rejection(Strategy):
    r"""Texts drawn exactly from :math:`p(x \mid z)` among those that are allowed, by drawing until one is accepted.

    .. math:: P(\text{accept } x) = \prod_t m_t, \qquad m_t = \sum_{v \text{ allowed}} p(v \mid x_{<t}, z)

    Each token is drawn from those allowed, which alone would favour texts that begin where little is allowed later;
    a draft is given up at step ``t`` with probability :math:`1 - m_t`, so that what is left has the probabilities
    of the model. Where everything is allowed it is ancestral sampling.

    Args:
        tries: Drafts a code, after which it is given up.

    Raises:
        InputError: For fewer than one.
    """

    def __init__(self, tries: int = 10_000) -> None:
        """Check and keep the number."""
        if tries < 1:
            raise InputError(f"tries is {tries}", "give at least 1")
        self.tries = tries

    def search(self, scores: Scores, max_tokens: int) -> Int[Tensor, "N T"]:
        """Draw drafts for all codes that have no text yet, more of each as there are fewer codes.

        Raises:
            ImpossibleError: If a code is left without text after all tries.
        """
        codes = len(scores.opened()[1])
        streams, texts = scores.streams(codes), torch.full((codes, max_tokens), PAD)
        waiting, tried = torch.arange(codes), 0
        while len(waiting) and tried < self.tries:
            each = min(self.tries - tried, max(1, ROWS_TRIED // len(waiting)))
            numbers = torch.arange(tried, tried + each).repeat(len(waiting))
            own = integers(streams[waiting].repeat_interleave(each), numbers)
            drafts, accepted = _drafts(scores, waiting.repeat_interleave(each), own, max_tokens)
            accepted = accepted.view(-1, each)
            first = torch.arange(len(waiting)) * each + accepted.int().argmax(dim=1)
            found = accepted.any(dim=1)
            texts[waiting[found]] = drafts[first[found]]
            waiting, tried = waiting[~found], tried + each
        if len(waiting):
            raise ImpossibleError(
                f"{len(waiting)} of {codes} codes gave no accepted text in {self.tries} tries",
                "raise tries, demand less, or take Ancestral, which obeys too but shifts probabilities",
            )
        return texts


def _drafts(scores: Scores, rows: Tensor, streams: Tensor, max_tokens: int) -> tuple[Int[Tensor, "N T"], Tensor]:
    """Draw a draft for each of some rows, from a stream each; return them and which were accepted."""
    log_weight, state = scores.start()
    log_weight, state = log_weight[rows], tuple(part[rows] for part in state)
    live = torch.arange(len(rows))
    path, accepted = torch.full((len(rows), max_tokens), PAD), torch.ones(len(rows), dtype=torch.bool)
    for step in range(max_tokens):
        mass = log_weight.double().exp().sum(dim=-1)
        survives = uniforms(streams[live], 2 * step) < mass.cpu()
        token = drawn(log_weight.softmax(dim=-1), uniforms(streams[live], 2 * step + 1).to(mass.device))
        path[live, step], accepted[live] = token.cpu(), survives
        going = survives.to(token.device) & (token != EOS)
        live, token, state = live[going.cpu()], token[going], tuple(part[going] for part in state)
        if step + 1 == max_tokens or not len(live):
            break
        log_weight, state = scores.step(state, token)
    return path, accepted


def _smallest_set(scores: Float[Tensor, "N V"], order: Float[Tensor, "N V"], share: float) -> Float[Tensor, "N V"]:
    """Drop a token when those before it in an order already hold a share; the first always stays."""
    ranked = order.argsort(dim=-1)
    probability = scores.gather(1, ranked).exp()
    before = probability.cumsum(dim=-1) - probability
    dropped = (before >= share).scatter(1, ranked, before >= share)
    return scores.masked_fill(dropped, -torch.inf)
