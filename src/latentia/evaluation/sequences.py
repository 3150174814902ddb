"""Some of the held-out sequences in batches of bounded size, scored under given codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from latentia.errors import DataError
from latentia.evaluation.subject import Subject
from latentia.models import TextModel
from latentia.records import Batch

TOKENS_AT_A_TIME = 2**14
"""Tokens, those of all samples counted, that the decoder scores at once."""


def some_held_out(subject: Subject, count: int) -> list[list[int]]:
    """Return the ids of so many held-out sequences, or of all there are, shortest first; the seed chooses them.

    Raises:
        DataError: If they are fewer than two: nothing could be said about their spread.
    """
    chosen = subject.held_out.shuffled(subject.seed).first(count)
    if len(chosen) < 2:
        raise DataError(f"{len(chosen)} sequences are to be measured", "give and ask for at least two")
    return sorted(chosen.tokens(), key=len)


def grouped(sequences: Sequence[list[int]], copies: int) -> Iterator[Batch]:
    """Yield batches, in the order given, of which so many copies can be scored at once.

    >>> [len(batch) for batch in grouped([[4] * 6, [4] * 7, [4] * 7], 1024)]
    [2, 1]
    """
    group: list[list[int]] = []
    for ids in sequences:
        if group and (len(group) + 1) * (len(ids) + 1) * copies > TOKENS_AT_A_TIME:
            yield Batch.collate(group)
            group = []
        group.append(ids)
    if group:
        yield Batch.collate(group)


def scorer(model: TextModel, batch: Batch) -> Callable[[Tensor], Tensor]:
    """Return the function from codes ``[S, B, *code]`` to ``log p(x|z)``, ``[S, B]``, in nats, a chunk at a time."""
    chunk = max(1, TOKENS_AT_A_TIME // batch.tokens.numel())

    def score(codes: Float[Tensor, "S B *code"]) -> Float[Tensor, "S B"]:
        return torch.cat([model.decoder(part).log_prob(batch) for part in codes.split(chunk)])

    return score


@contextmanager
def frozen(model: TextModel) -> Iterator[None]:
    """Let gradients pass through the model without any being made for its weights."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        for weight in trained:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in trained:
            weight.requires_grad_(True)
