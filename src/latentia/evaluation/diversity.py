"""How much a set of texts repeats itself, and what it was copied from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.evaluation.estimates import Estimate, average

GROUPS = 20
"""Parts of the texts that are left out in turn for a standard error."""

ORDER = 4
"""Longest n-gram of BLEU."""

Counts = list[Counter[tuple[str, ...]]]
Ids = NDArray[np.int64]


def diversity(texts: Sequence[str]) -> dict[str, Estimate]:
    r"""How different the texts are; words are what stands between white space.

    .. math:: \text{distinct-}n = \frac{\text{different } n\text{-grams of all texts}}{n\text{-grams of all texts}}

    ``different_texts`` is the same ratio of whole texts, and ``self_bleu`` is in percent. All depend on the number of
    texts and on their length: compare sets of as many texts alone. Standard errors are jackknifed, because a bootstrap,
    whose resamples hold texts twice, would count these as repetitions.

    Source: Li et al., A Diversity-Promoting Objective Function for Neural Conversation Models, 2016 (a
    share of all words there; of all n-grams here, so that the most is 1); Zhu et al., Texygen, 2018, section 3
    (self-BLEU).
    """
    words = [text.split() for text in texts]
    grams = {f"distinct_{n}": [_grams(each, n) for each in words] for n in (1, 2, 3)}
    grams["different_texts"] = [[tuple(each)] for each in words]
    counts = [gram_counts(each) for each in words]
    return {
        **{name: jackknifed(partial(_distinct, each), len(texts)) for name, each in grams.items()},
        "self_bleu": jackknifed(lambda rows: self_bleu([counts[row] for row in rows]), len(texts)),
    }


def gram_counts(words: Sequence[str]) -> Counts:
    """Count the n-grams of a text, of 1 to 4 words."""
    return [Counter(_grams(words, n)) for n in range(1, ORDER + 1)]


def self_bleu(counts: Sequence[Counts]) -> float:
    """Mean BLEU-4 of each text against all others, in percent, from the n-grams of each.

    An n-gram counts at most as often as in that one of the others that has it most; the brevity penalty takes the other
    whose length is nearest. Where no n-gram of an order matches, 0.1 counts as matching, and a text of fewer than four
    words is scored by the orders that it has. The cost grows as the number of words does, not as its square.

    Source: Zhu et al., Texygen, 2018, section 3; smoothing 1 of Chen and Cherry, A Systematic Comparison of Smoothing
    Techniques for Sentence-Level BLEU, 2014.
    """
    from sacrebleu.metrics import BLEU

    totals = [[each.total() for each in own] for own in counts]
    most, nearest = _two_most(counts), _nearest_lengths([total[0] for total in totals])
    scores = [
        BLEU.compute_bleu(
            _matching(row, counts[row], most),
            total,
            total[0],
            nearest[row],
            smooth_method="floor",
            effective_order=True,
        ).score
        for row, total in enumerate(totals)
    ]
    return float(np.mean(scores))


def copying(sequences: Sequence[Sequence[int]], training: Callable[[], Iterable[Sequence[int]]]) -> dict[str, Estimate]:
    """Share of the sequences that stand in the training set, and how long their longest copied pieces are.

    Args:
        sequences: Token ids.
        training: Yields the sequences of the training set anew at each call.

    Returns:
        ``verbatim``, the share of sequences that are whole training sequences, and ``longest_copy``, the mean share of
        a sequence that its longest n-gram found within one training sequence covers. An empty sequence has none.
    """
    wanted = set(map(tuple, sequences))
    found = {each for each in map(tuple, training()) if each in wanted}
    verbatim = torch.tensor([float(tuple(each) in found) for each in sequences], dtype=torch.float64)
    sizes = np.maximum([len(each) for each in sequences], 1)
    return {
        "verbatim": average(verbatim),
        "longest_copy": average(torch.from_numpy(longest_copies(sequences, training()) / sizes)),
    }


def longest_copies(sequences: Sequence[Sequence[int]], training: Iterable[Sequence[int]]) -> Ids:
    """Length of the longest n-gram of each sequence that stands within a training sequence.

    >>> longest_copies([[4, 5, 6], [7, 4, 5], [8]], [[4, 5], [6, 7]])
    array([2, 2, 0])
    """
    ours, theirs = _Pieces(sequences), _Pieces(training)
    owner = np.repeat(np.arange(len(sequences)), [len(each) + 1 for each in sequences])
    longest, order, width = np.zeros(len(sequences), dtype=np.int64), 0, 1 + max(ours.largest, theirs.largest)
    while len(ours.places):
        longest[owner[ours.places]] = order
        keys = [pieces.longer(order, width) for pieces in (ours, theirs)]
        common = np.intersect1d(keys[0], keys[1])
        for pieces, each in zip((ours, theirs), keys, strict=True):
            pieces.keep(each, common)
        order += 1
    return longest


class _Pieces:
    """Places where n-grams begin that are still in question, and the number of the n-gram at each.

    Sequences lie end to end, each closed by -1, which no n-gram holds.
    """

    def __init__(self, sequences: Iterable[Sequence[int]]) -> None:
        self.flat = np.fromiter(chain.from_iterable((*each, -1) for each in sequences), dtype=np.int64)
        self.places = np.arange(len(self.flat))
        self.names = np.zeros(len(self.flat), dtype=np.int64)
        self.largest = int(self.flat.max(initial=0))

    def longer(self, order: int, width: int) -> Ids:
        """Drop the n-grams that end a sequence, and return a key of each of the others and the token after it."""
        inside = self.flat[self.places + order] >= 0
        self.places, self.names = self.places[inside], self.names[inside]
        keys: Ids = self.names * width + self.flat[self.places + order]
        return keys

    def keep(self, keys: Ids, common: Ids) -> None:
        """Keep the places of common keys, and number the n-grams there."""
        inside = np.isin(keys, common)
        self.places, self.names = self.places[inside], np.searchsorted(common, keys[inside])


def jackknifed(statistic: Callable[[Ids], float], count: int) -> Estimate:
    r"""Return a statistic of all rows, and its standard error from leaving out one of ``g`` groups of them in turn.

    .. math:: \mathrm{se}^2 = \frac{g - 1}{g} \sum_k (\theta_{-k} - \bar \theta)^2

    Source: Shao and Tu, The Jackknife and Bootstrap, 1995, section 2.3.

    >>> estimate = jackknifed(lambda rows: float(rows.mean()), count=4)
    >>> estimate["value"], round(estimate["standard_error"], 6)  # that of the mean of 0, 1, 2, 3
    (1.5, 0.645497)
    """
    rows, groups = np.arange(count), min(GROUPS, count)
    without = np.array([statistic(rows[rows % groups != group]) for group in range(groups)])
    return {"value": statistic(rows), "standard_error": float(np.sqrt((groups - 1) * without.var()))}


def _grams(words: Sequence[str], order: int) -> list[tuple[str, ...]]:
    return [tuple(words[place : place + order]) for place in range(len(words) - order + 1)]


def _distinct(grams: Sequence[Sequence[tuple[str, ...]]], rows: Ids) -> float:
    """Share of different n-grams; 0 where there is none."""
    different: set[tuple[str, ...]] = set()
    total = 0
    for row in rows:
        different.update(grams[row])
        total += len(grams[row])
    return len(different) / max(1, total)


def _two_most(counts: Sequence[Counts]) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """For each n-gram the most that a text has it, which text that is, and the most that any other has it."""
    most: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for row, orders in enumerate(counts):
        for gram, count in chain.from_iterable(own.items() for own in orders):
            first, holder, second = most.get(gram, (0, -1, 0))
            most[gram] = (count, row, first) if count > first else (first, holder, max(second, count))
    return most


def _matching(row: int, own: Counts, most: dict[tuple[str, ...], tuple[int, int, int]]) -> list[int]:
    """N-grams of a text that match another, by order."""
    elsewhere = [{gram: most[gram][2 if most[gram][1] == row else 0] for gram in each} for each in own]
    return [
        sum(min(count, others[gram]) for gram, count in each.items())
        for each, others in zip(own, elsewhere, strict=True)
    ]


def _nearest_lengths(lengths: Sequence[int]) -> list[int]:
    """Of each text the length among the others that is nearest to its own, the shorter of two."""
    known = Counter(lengths)
    other = {
        length: length if count > 1 else min(known.keys() - {length}, key=lambda each: (abs(each - length), each))
        for length, count in known.items()
    }
    return [other[length] for length in lengths]
