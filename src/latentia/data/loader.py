"""From a corpus and a batching rule to batches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from latentia.data.batches import Batching, EqualLength, Rows
from latentia.data.corpus import Corpus
from latentia.errors import InputError
from latentia.records import Batch


class Loader:
    """The batches of each epoch of (some rows of) a corpus.

    Args:
        corpus: The corpus.
        batching: How rows are grouped.
        batch_size: Examples a batch.
        seed: Decides the order together with the epoch.
        rows: The rows to use.
    """

    def __init__(self, corpus: Corpus, batching: Batching, batch_size: int, seed: int, rows: Rows) -> None:
        """Keep the corpus; nothing is read before an epoch starts."""
        self.corpus, self.rows, self.seed = corpus, rows, seed
        lengths = corpus.lengths[rows]
        self._plan = lru_cache(maxsize=2)(lambda epoch: batching.epoch(lengths, batch_size, seed, epoch))
        self._steps = len(self._plan(0)) if isinstance(batching, EqualLength) else 0

    def steps(self, epoch: int, world_size: int = 1) -> int:
        """Batches of an epoch that each rank takes; equal-length batches are as many in each."""
        return -(-(self._steps or len(self._plan(epoch))) // world_size)

    def epoch(self, epoch: int, start: int = 0, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Yield the batches of an epoch from the given one on; those before it are not built.

        Ranks take turns. Where the last turn is not full, batches from the start of the epoch complete it, so that
        every rank takes as many steps; with one rank nothing is repeated.

        Raises:
            InputError: If there is no such rank.
        """
        if not 0 <= rank < world_size:
            raise InputError(f"rank {rank} is not one of {world_size}", "ranks count from 0")
        plan = self._plan(epoch)
        for turn in range(start, self.steps(epoch, world_size)):
            yield self.corpus.batch(self.rows[plan[(turn * world_size + rank) % len(plan)]])

    def random(self, *key: int) -> Batch:
        """Return a batch of the epoch ``key[0]``, chosen by the seed and the whole key."""
        plan = self._plan(key[0])
        chosen = np.random.default_rng([self.seed, *key]).integers(len(plan))
        return self.corpus.batch(self.rows[plan[chosen]])


def sequential(corpus: Corpus, rows: Rows, batch_size: int) -> Iterator[Batch]:
    """Yield equal-length batches, shortest first, always in the same order."""
    order = rows[np.argsort(corpus.lengths[rows], kind="stable")]
    edges = np.flatnonzero(np.diff(corpus.lengths[order])) + 1
    for same in np.split(order, edges):
        for start in range(0, len(same), batch_size):
            yield corpus.batch(same[start : start + batch_size])
