"""Some rows of a corpus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from latentia.data.corpus import Corpus
from latentia.data.loader import sequential
from latentia.records import Batch

ROWS_AT_A_TIME = 4096
"""Texts that are taken out of the corpus together."""


@dataclass(frozen=True)
class Selection:
    """Rows of a corpus, in an order."""

    corpus: Corpus
    rows: NDArray[np.int64]

    @classmethod
    def all_of(cls, corpus: Corpus) -> Selection:
        """Take every row."""
        return cls(corpus, np.arange(len(corpus)))

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    def tokens(self) -> Iterator[list[int]]:
        """Yield the ids of each row, without EOS."""
        return (self.corpus.tokens(row) for row in self.rows)

    def texts(self) -> Iterator[str]:
        """Yield the text of each row."""
        starts = range(0, len(self), ROWS_AT_A_TIME)
        return chain.from_iterable(self.corpus.texts(self.rows[start : start + ROWS_AT_A_TIME]) for start in starts)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield batches of equal length, shortest first; ``Batch.index`` tells the rows."""
        return sequential(self.corpus, self.rows, size)

    def whole(self) -> Batch:
        """Return one batch of all rows, in their order, padded to the longest."""
        return self.corpus.batch(self.rows)

    def shuffled(self, seed: int) -> Selection:
        """Put the rows in an order that the seed decides."""
        return Selection(self.corpus, np.random.default_rng(seed).permutation(self.rows))

    def first(self, count: int) -> Selection:
        """Take the first of them."""
        return Selection(self.corpus, self.rows[:count])

    def holding(self, tokens: int) -> Selection:
        """Take the first of them that hold so many tokens together, EOS counted; all if they hold fewer."""
        return self.first(int(np.searchsorted(np.cumsum(self.corpus.lengths[self.rows]), tokens)) + 1)
