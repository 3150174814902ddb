"""What augmentation without a model does to the words of a text: the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

DROPPED = 0.1
"""Share of the words that are dropped."""

EDITED = 0.1
FEW, EDITED_OF_FEW = 2000, 0.05
"""Share of the words that are edited, and that where there are no more texts than ``FEW``."""

Words = list[str]


def token_dropout(words: Words, texts: int, draw: np.random.Generator) -> Words:
    """Leave out each word with a probability of 0.1, but never all."""
    kept = draw.random(len(words)) >= DROPPED
    return [word for word, stays in zip(words, kept, strict=True) if stays] or [words[draw.integers(len(words))]]


def easy_edits(words: Words, texts: int, draw: np.random.Generator) -> Words:
    """Swap, insert or delete a few words, one of the three for all; what is inserted are words of the text itself.

    Args:
        words: Of the text.
        texts: In the set that is augmented; where there are few, fewer words are edited.
        draw: Of kind and places.

    Source: Wei and Zou, EDA, 2019, sections 2 and 4.3, without the replacement by synonyms, which takes a thesaurus;
    the inserted words are synonyms of the text's words there.
    """
    share = EDITED_OF_FEW if texts <= FEW else EDITED
    kind = (_swap, _insert, _delete)[draw.integers(3)]
    words = list(words)
    for _ in range(max(1, int(share * len(words)))):
        kind(words, draw)
    return words


def _swap(words: Words, draw: np.random.Generator) -> None:
    one, other = draw.integers(len(words), size=2)
    words[one], words[other] = words[other], words[one]


def _insert(words: Words, draw: np.random.Generator) -> None:
    words.insert(draw.integers(len(words) + 1), words[draw.integers(len(words))])


def _delete(words: Words, draw: np.random.Generator) -> None:
    if len(words) > 1:
        del words[draw.integers(len(words))]


PERTURBATIONS: Mapping[str, Callable[[Words, int, np.random.Generator], Words]] = MappingProxyType(
    {"token dropout": token_dropout, "edits (EDA)": easy_edits}
)
