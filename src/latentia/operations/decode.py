"""Vectors to texts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

from latentia.decoding import Strategy
from latentia.errors import InputError
from latentia.operations.operation import CODES, operation
from latentia.operations.space import SEARCHED, Space
from latentia.shapes import NonNegativeInt


@dataclass(frozen=True)
class Decoded:
    """What a code is decoded to.

    Attributes:
        line: Number of the code, counted from 1.
        text: What is written.
    """

    line: int
    text: str

    def __str__(self) -> str:
        """Show what is written."""
        return self.text


@operation
def decode(space: Space, codes: CODES, *, strategy: Strategy = SEARCHED, seed: NonNegativeInt = 0) -> Iterator[Decoded]:
    """Turn vectors into texts.

    Args:
        space: Where the codes are.
        codes: Each as many finite numbers as the space has dimensions.
        strategy: How tokens are chosen.
        seed: Of tokens that are drawn.

    Raises:
        InputError: If a code is no code of this space.
    """
    rows, firsts = iter(codes), itertools.count(1, strategy.codes_at_a_time)
    chunks = iter(lambda: list(islice(rows, strategy.codes_at_a_time)), [])
    for first, chunk in zip(firsts, chunks, strict=False):
        lines = range(first, first + len(chunk))
        yield from decoded(space, chunk, lines, strategy, seed)


def decoded(
    space: Space, codes: Sequence[Any], lines: Sequence[int], strategy: Strategy, seed: int
) -> Iterator[Decoded]:
    """Decode a few codes; what is drawn for each follows the seed and its line alone.

    Raises:
        InputError: If one is no code of this space.
    """
    shape = space.model.code_shape(space.steps)
    try:
        rows = torch.from_numpy(np.stack([np.asarray(each, dtype=np.float32) for each in codes]))
    except (TypeError, ValueError, RuntimeError):
        shown = ", ".join(map(str, shape))
        raise InputError("the codes are no table of numbers", f"give lists of shape [{shown}]") from None
    return map(Decoded, lines, space.written(space.valid_codes(rows), strategy, seed, lines))
