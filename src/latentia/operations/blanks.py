"""Texts with blanks in them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from latentia.data import Tokenizer
from latentia.operations.lines import not_written
from latentia.shapes import UNK

MOST = 4
"""Most tokens of a blank whose number is not given."""

Fill = tuple[int, ...]
Fills = tuple[Fill, ...]
"""The tokens of each gap of a text."""


@dataclass(frozen=True)
class Blanked:
    """A text with gaps; blanks that follow each other are one gap.

    Attributes:
        pieces: The text between the gaps, one piece more than gaps.
        known: Its tokens.
        sizes: How many tokens each gap may hold.
        spaced: Whether a token holds the space before it.
        room: Most tokens of all gaps together.
    """

    pieces: tuple[str, ...]
    known: tuple[Fill, ...]
    sizes: tuple[tuple[int, ...], ...]
    spaced: bool
    room: float = math.inf

    @property
    def shortest(self) -> int:
        """Fewest tokens of the filled text."""
        return sum(map(len, self.known)) + sum(map(min, self.sizes))

    @property
    def unknown(self) -> int:
        """Tokens beside the gaps that the model does not know."""
        return not_written(sum(known.count(UNK) for known in self.known), "".join(self.pieces))

    def fitting(self, gap: int, fills: Sequence[Fill]) -> list[int]:
        """Return the sizes of a gap for which there is room beside the fills of others."""
        left = self.room - sum(map(len, fills))
        return [size for size in self.sizes[gap] if size <= left]

    def filled(self, fills: Fills) -> list[int]:
        """Return the tokens of the filled text."""
        return self.opened(fills, ())[0]

    def opened(self, fills: Fills, gaps: Sequence[int]) -> tuple[list[int], list[bool]]:
        """Return the tokens of the filled text, and which of them are in some of its gaps."""
        tokens, opened = list(self.known[0]), [False] * len(self.known[0])
        for gap, (fill, after) in enumerate(zip(fills, self.known[1:], strict=True)):
            tokens += [*fill, *after]
            opened += [gap in gaps] * len(fill) + [False] * len(after)
        return tokens, opened

    def written(self, fills: Fills, tokenizer: Tokenizer) -> tuple[str, list[str]]:
        """Return the filled text, which keeps words that the model does not know, and the texts of the fills.

        A fill is written as the tokenizer writes it after the tokens before it, so that the text is what was scored.
        """
        before = [tokenizer.decode(known) for known in self.known[:-1]]
        columns = zip(self.known, fills, before, strict=False)
        texts = [tokenizer.decode([*known, *fill]).removeprefix(text) for known, fill, text in columns]
        pieces = [piece.rstrip() if self.spaced else piece for piece in self.pieces[:-1]] + [self.pieces[-1]]
        whole = "".join(part for pair in zip(pieces, [*texts, ""], strict=True) for part in pair)
        return whole, [text.strip() if self.spaced else text for text in texts]


def blanked(text: str, tokenizer: Tokenizer, words: int, max_tokens: float = math.inf) -> Blanked:
    """Find the blanks of a text.

    Where tokens hold the space before them, a blank stands apart from what is written beside it.

    Args:
        text: With three underscores or more for each blank.
        tokenizer: Of the model.
        words: Tokens of a blank; 0 allows 1 to 4.
        max_tokens: Of the filled text.
    """
    spaced = _holds_space(tokenizer)
    gap = r"_{3,}(?:\s*_{3,})*" if spaced else r"_{3,}"
    text = re.sub(rf"({gap})(?=[^\s_])", r"\1 ", text) if spaced else text
    counts = [len(re.findall("_{3,}", found)) for found in re.findall(gap, text)]
    sizes = [(words * count,) if words else tuple(range(count, MOST * count + 1)) for count in counts]
    pieces = re.split(gap, text)
    readable = [piece.rstrip() for piece in pieces] if spaced else pieces
    known = tuple(map(tuple, tokenizer.encode_batch(readable)))
    return Blanked(tuple(pieces), known, tuple(sizes), spaced, max_tokens - sum(map(len, known)))


def _holds_space(tokenizer: Tokenizer) -> bool:
    """Tell words and parts of words, which hold the space before them, from characters."""
    cut = tokenizer.rust.pre_tokenizer
    return cut is not None and len(cut.pre_tokenize_str("a a")) > 1
