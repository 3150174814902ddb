"""How examples are grouped into batches: each exactly once an epoch, in an order that (seed, epoch) decides."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from latentia.shapes import NonNegativeInt, PositiveInt

Rows = NDArray[np.int64]


class Batching(ABC):
    """A rule that cuts a corpus into batches."""

    @abstractmethod
    def epoch(self, lengths: NDArray[np.int32], batch_size: int, seed: int, epoch: int) -> list[Rows]:
        """Return the rows of each batch of an epoch; every row stands in exactly one."""


class EqualLength(Batching):
    """Batches of one length each, so that nothing is padded.

    The last batch of a length is smaller. Where many lengths are rare, ``minimum`` joins batches smaller than
    itself with those of the next lengths until they reach it, at the price of padding; 1 never does. No batch is
    larger than the batch size, and at most one is smaller than the minimum.
    """

    def __init__(self, minimum: PositiveInt = 1) -> None:
        """Take the smallest batch that is left alone."""
        self.minimum = minimum

    def epoch(self, lengths: NDArray[np.int32], batch_size: int, seed: int, epoch: int) -> list[Rows]:
        """Shuffle, sort by length without disturbing the shuffle, cut at each length, shuffle the batches."""
        generator = np.random.default_rng([seed, epoch])
        order = _by_length(lengths, generator)
        edges = np.flatnonzero(np.diff(lengths[order])) + 1
        batches = [batch for same in np.split(order, edges) for batch in _cut(same, batch_size)]
        return _shuffled(_merged(batches, min(self.minimum, batch_size)), generator)


class TokenBudget(Batching):
    """Batches of similar lengths whose padded size stays within a budget of tokens.

    With ``tokens`` 0 the budget is the batch size times the median length. A sequence longer than the budget
    is a batch of its own.
    """

    def __init__(self, tokens: NonNegativeInt = 0) -> None:
        """Take the padded tokens of a batch."""
        self.tokens = tokens

    def epoch(self, lengths: NDArray[np.int32], batch_size: int, seed: int, epoch: int) -> list[Rows]:
        """Shuffle, sort by length, and close a batch before its padded size passes the budget."""
        generator = np.random.default_rng([seed, epoch])
        budget = self.tokens or int(batch_size * np.median(lengths))
        order = _by_length(lengths, generator)
        return _shuffled(_within(order, lengths[order], budget), generator)


class Mixed(Batching):
    """Batches of any lengths, each padded to its longest.

    Such a batch is a sample of the corpus, and the aggregate of its posteriors one of the corpus's. With equal lengths
    it is the aggregate of sentences of that length. The price is the padding.
    """

    def epoch(self, lengths: NDArray[np.int32], batch_size: int, seed: int, epoch: int) -> list[Rows]:
        """Shuffle and cut."""
        return _cut(np.random.default_rng([seed, epoch]).permutation(len(lengths)), batch_size)


def _by_length(lengths: NDArray[np.int32], generator: np.random.Generator) -> Rows:
    order = generator.permutation(len(lengths))
    return order[np.argsort(lengths[order], kind="stable")]


def _cut(rows: Rows, size: int) -> list[Rows]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _merged(batches: list[Rows], minimum: int) -> list[Rows]:
    """Lay the batches below the minimum end to end, shortest first, and cut them anew at the minimum."""
    small = [batch for batch in batches if len(batch) < minimum]
    if not small:
        return batches
    return [batch for batch in batches if len(batch) >= minimum] + _cut(np.concatenate(small), minimum)


def _within(order: Rows, lengths: NDArray[np.int32], budget: int) -> list[Rows]:
    """Cut rows sorted by length so that longest times count stays within the budget."""
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or int(lengths[end]) * (end - start + 1) > budget:
            batches.append(order[start:end])
            start = end
    return batches


def _shuffled(batches: list[Rows], generator: np.random.Generator) -> list[Rows]:
    return [batches[index] for index in generator.permutation(len(batches))]
