"""Sequences of which some tokens are given and the others are blanks, to be drawn or searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from latentia.distributions import TokenSequence
from latentia.shapes import BOS, EOS, PAD, UNK

SILENT = (PAD, UNK, BOS, EOS)
"""Tokens that fill no blank."""


@dataclass(frozen=True)
class Template:
    """Rows of tokens, each closed by EOS and padded.

    Attributes:
        tokens: What is given; at a blank, what stands there now.
        blank: Where a blank is.
    """

    tokens: Int[Tensor, "N T"]
    blank: Bool[Tensor, "N T"]

    @classmethod
    def of(cls, rows: Sequence[tuple[Sequence[int], Sequence[bool]]]) -> Template:
        """Close and pad rows of tokens and of whether each is a blank."""
        tokens = [torch.tensor([*ids, EOS]) for ids, _ in rows]
        blanks = [torch.tensor([*flags, False]) for _, flags in rows]
        return cls(pad_sequence(tokens, batch_first=True, padding_value=PAD), pad_sequence(blanks, batch_first=True))


@torch.no_grad()
def draw_blanks(
    likelihood: TokenSequence, template: Template, held: Bool[Tensor, " N"]
) -> tuple[Int[Tensor, "N T"], Float[Tensor, " N"]]:
    r"""Draw each blank given what stands before it, and weigh the row by what the draw did not look at.

    .. math::
        b_t \sim \frac{p(b_t \mid x_{<t}, z)}{M_t}, \qquad
        \log w = \sum_{t \text{ given}} \log p(x_t \mid x_{<t}, z) + \sum_{t \text{ blank}} \log M_t

    with ``M_t`` the probability of all tokens that may fill a blank, so that ``w`` times the probability of the draw is
    :math:`p(x|z)`.

    Args:
        likelihood: ``p(x|z)`` of ``N`` codes.
        template: One row a code.
        held: Rows that keep what stands in their blanks, and are weighed alike.
    """
    log_probability, state = likelihood.start()
    tokens, weight = template.tokens.clone(), log_probability.new_zeros(len(template.tokens))
    for step in range(tokens.shape[1]):
        blank = template.blank[:, step]
        known = ~blank & (tokens[:, step] != PAD)
        weight += log_probability.gather(1, tokens[:, step, None])[:, 0].where(known, 0.0)
        if bool(blank.any()):
            fit = _fillable(log_probability[blank])
            weight[blank] += fit.logsumexp(dim=1)
            drawn = torch.multinomial(fit.softmax(dim=1), 1)[:, 0]
            tokens[blank, step] = tokens[blank, step].where(held[blank], drawn)
        if step + 1 < tokens.shape[1]:
            log_probability, state = likelihood.step(state, tokens[:, step])
    return tokens, weight


@torch.no_grad()
def search_blanks(
    likelihood: TokenSequence, template: Template, width: int
) -> tuple[Int[Tensor, "N T"], Float[Tensor, " N"]]:
    r"""Return the best fill of each row's blanks that a beam finds, and its :math:`\log p(x|z)`.

    Args:
        likelihood: ``p(x|z)`` of ``N`` codes.
        template: One row a code.
        width: Partial sequences kept a row.
    """
    rows = len(template.tokens)
    log_probability, state = likelihood.start()
    origin = torch.arange(rows).repeat_interleave(width)
    log_probability, state = log_probability[origin], tuple(part[origin] for part in state)
    scores = torch.full((rows, width), -torch.inf)
    scores[:, 0] = 0.0
    paths = torch.empty(rows * width, 0, dtype=torch.long)
    for given, blank in zip(template.tokens.T, template.blank.T, strict=True):
        total = scores[:, :, None] + _allowed(log_probability, given[origin], blank[origin]).view(rows, width, -1)
        scores, best = total.flatten(1).topk(width, dim=1)
        parent = (torch.arange(rows)[:, None] * width + best // total.shape[2]).flatten()
        token = (best % total.shape[2]).flatten()
        paths = torch.cat([paths[parent], token[:, None]], dim=1)
        log_probability, state = likelihood.step(tuple(part[parent] for part in state), token)
    return paths.view(rows, width, -1)[:, 0], scores[:, 0]


def _fillable(log_probability: Float[Tensor, "N V"]) -> Float[Tensor, "N V"]:
    return log_probability.index_fill(1, torch.tensor(SILENT), -torch.inf)


def _allowed(
    log_probability: Float[Tensor, "N V"], given: Int[Tensor, " N"], blank: Bool[Tensor, " N"]
) -> Float[Tensor, "N V"]:
    """Leave each row the tokens that may come: those that fill a blank, the given one, or padding at no cost."""
    cost = log_probability.gather(1, given[:, None]).where(given[:, None] != PAD, 0.0)
    forced = torch.full_like(log_probability, -torch.inf).scatter(1, given[:, None], cost)
    return torch.where(blank[:, None], _fillable(log_probability), forced)
