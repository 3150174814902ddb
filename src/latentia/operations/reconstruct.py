"""Texts that are encoded and decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from latentia.data import Selection
from latentia.decoding import Strategy
from latentia.operations.constraints import constrained, remarks_on_phrases
from latentia.operations.lines import Refused, also_said
from latentia.operations.operation import operation
from latentia.operations.space import SEARCHED, Space
from latentia.shapes import NonNegativeInt


@dataclass(frozen=True)
class Reconstructed:
    """A text and what its code is decoded to.

    Attributes:
        line: Number of the text, counted from 1.
        text: As it was.
        reconstruction: What is written.
    """

    line: int
    text: str
    reconstruction: str

    def __str__(self) -> str:
        """Show what is written."""
        return self.reconstruction


@operation
def reconstruct(  # noqa: PLR0913 - the options of a command
    space: Space,
    texts: Iterable[str],
    *,
    must: Sequence[str] = (),
    in_order: bool = False,
    must_not: Sequence[str] = (),
    pattern: str = "",
    length: str = "",
    strategy: Strategy = SEARCHED,
    seed: NonNegativeInt = 0,
) -> Iterator[Reconstructed | Refused]:
    """Write what each text becomes when the centre of its posterior is decoded.

    Args:
        space: Where the texts are encoded.
        texts: What to encode and decode.
        must: A phrase that must appear, as whole words; may be repeated, and one given twice must appear twice.
        in_order: The phrases must appear one after another as they are given.
        must_not: A phrase that must not appear; may be repeated.
        pattern: A regular expression that the whole text must match.
        length: Fewest and most tokens, as MIN:MAX; either may be left out.
        strategy: How tokens are chosen.
        seed: Of tokens that are drawn.

    Raises:
        ImpossibleError: If no text meets the demands.
        InputError: If a demand cannot be understood, or the model cannot write one of its words.
    """
    demanding = constrained(space, strategy, must, must_not, pattern, length, in_order)

    def answer(chosen: Selection, lines: list[int]) -> Iterator[Reconstructed]:
        written = space.written(space.centres(chosen), demanding, seed, lines)
        return map(Reconstructed, lines, chosen.texts(), written)

    return also_said(space.answered(texts, answer), lambda: remarks_on_phrases(strategy, must))
