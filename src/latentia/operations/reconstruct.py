"""Texts that are encoded and decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from latentia.decoding import Beam, Strategy
from latentia.operations.lines import Refused
from latentia.operations.operation import operation
from latentia.operations.space import Space
from latentia.shapes import NonNegativeInt

SEARCHED = Beam()


@operation
def reconstruct(
    space: Space, texts: Iterable[str], *, strategy: Strategy = SEARCHED, seed: NonNegativeInt = 0
) -> Iterator[str | Refused]:
    """Write what each text becomes when the centre of its posterior is decoded.

    Args:
        space: Where the texts are encoded.
        texts: What to encode and decode.
        strategy: How tokens are chosen.
        seed: Of tokens that are drawn.
    """
    return space.answered(texts, lambda chosen, lines: space.written(space.centres(chosen), strategy, seed, lines[0]))
