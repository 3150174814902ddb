"""What augmentation without a model does to the words of a text: the baselines."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

EASY = "edits (EDA)"

DROPPED = 0.1
"""Share of the words that are dropped."""

EDITED = 0.1
FEW, EDITED_OF_FEW = 2000, 0.05
"""Share of the words that are edited, and that where there are no more texts than ``FEW``."""

COPIES = ((500, 16), (2000, 8), (math.inf, 4))
"""Edited texts of each, by the number of texts up to which it holds."""

Words = list[str]


def easy_copies(texts: int) -> int:
    """Return how many edited texts of each there are.

    Source: Wei and Zou, EDA, 2019, table 3.
    """
    return next(copies for most, copies in COPIES if texts <= most)


def token_dropout(words: Words, texts: int, draw: np.random.Generator) -> Words:
    """Leave out each word with a probability of 0.1, but never all."""
    return _delete(words, DROPPED, draw)


def easy_edits(words: Words, texts: int, draw: np.random.Generator) -> Words:
    """Swap, insert or delete words, one of the three for all; what is inserted are words of the text itself.

    A share of the words, but at least one, is swapped or inserted; each word is deleted with the share's probability.

    Args:
        words: Of the text.
        texts: In the set that is augmented; where there are few, fewer words are edited.
        draw: Of kind and places.

    Source: Wei and Zou, EDA, 2019, sections 2 and 4.3, without the replacement by synonyms, which takes a thesaurus;
    the inserted words are synonyms of the text's words there.
    """
    kind = (_swap, _insert, _delete)[draw.integers(3)]
    return kind(words, EDITED_OF_FEW if texts <= FEW else EDITED, draw)


def _swap(words: Words, share: float, draw: np.random.Generator) -> Words:
    swapped = list(words)
    for one, other in draw.integers(len(words), size=(_count(words, share), 2)):
        swapped[one], swapped[other] = swapped[other], swapped[one]
    return swapped


def _insert(words: Words, share: float, draw: np.random.Generator) -> Words:
    longer = list(words)
    for _ in range(_count(words, share)):
        longer.insert(draw.integers(len(longer) + 1), words[draw.integers(len(words))])
    return longer


def _delete(words: Words, share: float, draw: np.random.Generator) -> Words:
    """Leave out each word with a probability; where none is left, one stays."""
    kept = draw.random(len(words)) >= share
    return [word for word, stays in zip(words, kept, strict=True) if stays] or [words[draw.integers(len(words))]]


def _count(words: Words, share: float) -> int:
    return max(1, int(share * len(words)))


PERTURBATIONS: Mapping[str, Callable[[Words, int, np.random.Generator], Words]] = MappingProxyType(
    {"token dropout": token_dropout, EASY: easy_edits}
)
