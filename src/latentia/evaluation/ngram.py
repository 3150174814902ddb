"""An n-gram language model to score samples with: interpolated modified Kneser-Ney."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentia.errors import InputError
from latentia.shapes import BOS, EOS

Ids = NDArray[np.int64]
FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where a corpus is too small or too regular to estimate them."""


class KneserNey:
    r"""An n-gram model with interpolated modified Kneser-Ney smoothing over a closed vocabulary.

    .. math::
        p_k(w \mid h) = \frac{c_k(hw) - D_k(c_k(hw))}{c_k(h)} + \gamma_k(h) \, p_{k-1}(w \mid h'), \qquad
        \gamma_k(h) = \frac{1}{c_k(h)} \sum_{w : c_k(hw) > 0} D_k(c_k(hw))

    with ``h'`` the context ``h`` without its first token, :math:`c_k(h) = \sum_w c_k(hw)`, and the first term 0 where
    ``hw`` was not seen. At the highest order ``c`` counts occurrences, below it the different tokens that stand before
    ``hw``; below order 1 is the uniform distribution. A context that was not seen gives :math:`p_{k-1}(w \mid h')`.
    Each order has three discounts, for counts of 1, 2, and 3 or more, from the numbers ``n_j`` of n-grams that were
    counted ``j`` times:

    .. math:: Y = \frac{n_1}{n_1 + 2 n_2}, \qquad D(j) = j - (j + 1) \, Y \, \frac{n_{j+1}}{n_j}

    Where one of ``n_1 .. n_4`` is 0, or a discount does not lie in ``(0, j]``, the order has 0.5, 1 and 1.5.

    Sequences begin after ``order - 1`` BOS. EOS is predicted; PAD and BOS are not, so that the probabilities of all
    other tokens sum to 1.

    Args:
        sequences: Token ids to train on, without BOS and EOS; read once.
        vocabulary_size: Tokens, the four special ones included.
        order: Longest n-gram, the predicted token counted.

    Attributes:
        tokens: Tokens trained on, EOS counted.

    Raises:
        InputError: For an order below 1, no sequence, or a token that is not of the vocabulary.

    Source: Chen and Goodman, An Empirical Study of Smoothing Techniques for Language Modeling, 1999, section 3.

    >>> model = KneserNey([[4, 5], [4, 6]], vocabulary_size=8, order=2)
    >>> nats, tokens = model.negative_log_likelihood([[4, 7]])
    >>> nats.round(3), tokens
    (array([4.964]), array([3]))
    """

    def __init__(self, sequences: Iterable[Sequence[int]], vocabulary_size: int, order: int = 3) -> None:
        """Count and discount."""
        if order < 1:
            raise InputError(f"the order is {order}", "give at least 1, which ignores the context")
        self.order, self.vocabulary_size = order, vocabulary_size
        text = self._text(sequences)
        if not len(text.places):
            raise InputError("there is no sequence to train on", "give at least one")
        self.tokens = len(text.places)
        contexts = _contexts(text, order)
        self.levels = [_level(*counted, vocabulary_size) for counted in _counts(text, contexts, vocabulary_size)]

    def token_log_prob(self, sequences: Iterable[Sequence[int]]) -> NDArray[np.float64]:
        """Log-probability of each token and EOS, sequence after sequence, in nats."""
        return self._log_prob(self._text(sequences))

    def negative_log_likelihood(self, sequences: Iterable[Sequence[int]]) -> tuple[NDArray[np.float64], Ids]:
        """Negative log-likelihood of each sequence in nats, and its tokens, EOS counted in both."""
        text = self._text(sequences)
        ends = text.back(0) == EOS
        sequence = np.cumsum(ends) - ends
        nats: Any = np.bincount(sequence, weights=-self._log_prob(text))
        return nats, np.bincount(sequence).astype(np.int64)

    def _log_prob(self, text: _Text) -> NDArray[np.float64]:
        """Interpolate from the uniform distribution upwards, for all places at once."""
        probability: Any = np.full(len(text.places), 1 / (self.vocabulary_size - 2))
        context, width = np.zeros(len(text.places), dtype=np.int64), 1
        for back, level in enumerate(self.levels):
            if back:
                context = _find(level.contexts, text.back(back) * width + context, context >= 0)
            width = len(level.contexts)
            seen = context >= 0
            gram = _find(level.grams, context * self.vocabulary_size + text.back(0), seen)
            mass = np.where(gram >= 0, level.mass[gram], 0)
            probability = np.where(seen, mass + level.backoff[context] * probability, probability)
        log_probability: NDArray[np.float64] = np.log(probability)
        return log_probability

    def _text(self, sequences: Iterable[Sequence[int]]) -> _Text:
        padding = [BOS] * (self.order - 1)
        parts = chain.from_iterable((padding, sequence, (EOS,)) for sequence in sequences)
        flat = np.fromiter(chain.from_iterable(parts), dtype=np.int32)
        if len(flat) and not 0 <= flat.min() <= flat.max() < self.vocabulary_size:
            raise InputError(f"a token is not one of {self.vocabulary_size}", "give ids of the model's tokenizer")
        return _Text(flat, np.flatnonzero(flat != BOS))


@dataclass(frozen=True)
class _Text:
    """Sequences end to end, each after its BOS, and the places that are predicted."""

    flat: NDArray[np.int32]
    places: Ids

    def back(self, distance: int) -> Ids:
        """Token so far before each place; 0 is the token there."""
        return self.flat[self.places - distance].astype(np.int64)


@dataclass(frozen=True)
class _Level:
    """One order.

    Attributes:
        contexts: Sorted keys of the contexts: first token times the number of shorter contexts, plus the rest's number.
        grams: Sorted keys of the n-grams: number of the context times the vocabulary, plus the token.
        mass: Discounted share of each n-gram among those of its context.
        backoff: Weight of the order below in each context.
    """

    contexts: Ids
    grams: Ids
    mass: NDArray[np.float64]
    backoff: NDArray[np.float64]


def _contexts(text: _Text, order: int) -> list[tuple[Ids, Ids]]:
    """Keys of the contexts of 0 to ``order - 1`` tokens, and which of them each place has."""
    places = np.zeros(len(text.places), dtype=np.int64)
    found = [(np.zeros(1, dtype=np.int64), places)]
    for back in range(1, order):
        keys, places = np.unique(text.back(back) * len(found[-1][0]) + places, return_inverse=True)
        found.append((keys, places))
    return found


def _counts(text: _Text, contexts: list[tuple[Ids, Ids]], vocabulary_size: int) -> list[tuple[Ids, Ids, Ids]]:
    """Contexts, n-grams and their counts, of order 1 first: occurrences at the highest order, tokens before below."""
    keys, places = contexts[-1]
    grams, counts = np.unique(places * vocabulary_size + text.back(0), return_counts=True)
    levels = [(keys, grams, counts)]
    for shorter, _ in reversed(contexts[:-1]):
        context, word = np.divmod(grams, vocabulary_size)
        grams, counts = np.unique(keys[context] % len(shorter) * vocabulary_size + word, return_counts=True)
        keys = shorter
        levels.append((keys, grams, counts))
    return levels[::-1]


def _level(contexts: Ids, grams: Ids, counts: Ids, vocabulary_size: int) -> _Level:
    context = grams // vocabulary_size
    discounts = _discounts(counts)[np.minimum(counts, 3) - 1]
    total = np.bincount(context, weights=counts)
    backoff = np.bincount(context, weights=discounts) / total
    return _Level(contexts, grams, (counts - discounts) / total[context], backoff)


def _discounts(counts: Ids) -> NDArray[np.float64]:
    """Discounts of counts of 1, 2, and 3 or more."""
    n: Any = np.bincount(np.minimum(counts, 5), minlength=6)[1:5]
    if not n.all():
        return np.array(FALLBACK)
    j = np.arange(1, 4)
    discounts: NDArray[np.float64] = j - (j + 1) * n[0] / (n[0] + 2 * n[1]) * n[1:] / n[:-1]
    return discounts if bool(((discounts > 0) & (discounts <= j)).all()) else np.array(FALLBACK)


def _find(table: Ids, keys: Ids, valid: NDArray[np.bool_]) -> Ids:
    """Place of each valid key in a sorted table, -1 where it is not there."""
    place = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return np.where(valid & (table[place] == keys), place, -1)
