"""Operations on padded sequences."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from latentia.shapes import BOS, UNK


def drop_words(tokens: Int[Tensor, "B T"], rate: float) -> Int[Tensor, "B T"]:
    """Replace each token by UNK with probability ``rate``, but never BOS.

    Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, section 3.1.

    >>> drop_words(torch.tensor([[BOS, 7, 8]]), 1.0)
    tensor([[2, 1, 1]])
    """
    dropped = (torch.rand(tokens.shape, device=tokens.device) < rate) & (tokens != BOS)
    return tokens.masked_fill(dropped, UNK)


def sum_where(values: Float[Tensor, "*rows T"], mask: Bool[Tensor, "*#rows T"]) -> Float[Tensor, " *rows"]:
    """Sum over the last axis where the mask holds; what stands at padding, even NaN, does not count.

    >>> sum_where(torch.tensor([1.0, float("nan")]), torch.tensor([True, False]))
    tensor(1.)
    """
    return values.masked_fill(~mask, 0.0).sum(dim=-1)


def turned_around(lengths: Int[Tensor, " B"], width: int) -> Int[Tensor, "B T"]:
    """Places that read each sequence from its end to its start and leave the padding where it is.

    Twice the same is the order as it was.

    >>> turned_around(torch.tensor([3, 2]), 3)
    tensor([[2, 1, 0],
            [1, 0, 2]])
    """
    place = torch.arange(width, device=lengths.device)
    return torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)
