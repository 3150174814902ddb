"""Texts that are written for another, and the choice among them: what is wanted first, then what keeps most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from latentia.data import Selection, Tokenizer
from latentia.evaluation.diversity import gram_counts
from latentia.operations.examples import classifier, token_counts


@dataclass(frozen=True)
class Draft:
    """A text that may become the answer.

    Attributes:
        text: What was written.
        strength: How far the code went.
        aimed: Probability that the code which it was written from has what is wanted.
        read: Probability that the text has it.
        kept: Share of n-grams that it has in common with the source.
    """

    text: str
    strength: float
    aimed: float
    read: float
    kept: float


class TokenClassifier:
    """A classifier of the counts of tokens, fitted to texts without and with what is wanted.

    It judges what was written, which need not be what the code that it was written from is judged to be.

    Args:
        tokenizer: Cuts the texts.
        without: Texts that have it not.
        having: Texts that have it; both groups count alike, however many texts they have.
    """

    def __init__(self, tokenizer: Tokenizer, without: Selection, having: Selection) -> None:
        """Fit."""
        self.tokenizer = tokenizer
        counts = token_counts(tokenizer, [*without.texts(), *having.texts()])
        wanted = np.arange(counts.shape[0]) >= len(without)
        self.model = classifier().set_params(class_weight="balanced").fit(counts, wanted)

    def probability(self, texts: Sequence[str]) -> list[float]:
        """Probability that each text has what is wanted; 0 for one without a token."""
        counts = token_counts(self.tokenizer, texts)
        estimates = self.model.predict_proba(counts)[:, 1]
        shares: list[float] = np.where(counts.sum(axis=1).A1 > 0, estimates, 0.0).tolist()
        return shares


def kept(source: str, text: str) -> float:
    r"""Share of n-grams of 1 to 4 words that two texts have in common, each as often as in the one that has it less.

    Of a source without spaces, n-grams of characters.

    .. math:: \frac{2 \, |G(x) \cap G(y)|}{|G(x)| + |G(y)|}

    >>> kept("the food was good", "the food was bad")
    0.6
    """
    cut: Callable[[str], Sequence[str]] = str.split if " " in source else tuple
    ours, theirs = gram_counts(cut(source)), gram_counts(cut(text))
    common = sum((a & b).total() for a, b in zip(ours, theirs, strict=True))
    return 2 * common / max(1, sum(each.total() for each in chain(ours, theirs)))


def best_of(drafts: Sequence[Draft], threshold: float) -> Draft:
    """Choose, of the drafts that have what is wanted more probably than this, the one that keeps most of the source.

    Where none has, it is the one that has it most probably; of equal ones it is the first.
    """
    changed = [draft for draft in drafts if draft.read > threshold]
    return max(changed, key=lambda draft: draft.kept) if changed else max(drafts, key=lambda draft: draft.read)
