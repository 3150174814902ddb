"""The sequence of a corpus that is nearest to a given one, by edit distance of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentia.data import Selection
from latentia.functional.edits import edit_distances

CANDIDATES, AT_A_TIME = 4096, 512


@dataclass(frozen=True)
class Neighbour:
    """A sequence of the corpus.

    Attributes:
        row: Its row.
        distance: Insertions, deletions and replacements of tokens between the two; 0 for a copy.
        exact: True where no sequence of the corpus can be nearer.
    """

    row: int
    distance: int
    exact: bool


class NearestSequences:
    r"""Finds the nearest sequence of a corpus.

    No edit distance is below the bag distance, :math:`\max(|x|, |y|) - |x \cap y|` with the tokens of each taken as a
    multiset. Sequences are tried in its order until it reaches the best edit distance found, which is then the least of
    all; where that does not happen among the first 4,096, the answer is marked as not exact.

    Source: Bartolini, Ciaccia and Patella, String Matching with Metric Trees Using an Approximate Distance, 2002,
    section 3.1 (the bag distance).

    Args:
        corpus: What to search; about 20 bytes a token are held.
    """

    def __init__(self, corpus: Selection) -> None:
        """Count the tokens of each sequence."""
        self.corpus = corpus
        self._lengths = corpus.corpus.lengths[corpus.rows].astype(np.int64) - 1
        ids = np.fromiter((token for tokens in corpus.tokens() for token in tokens), np.int64, self._lengths.sum())
        self._vocabulary = int(ids.max(initial=0)) + 1
        owners = np.repeat(np.arange(len(corpus)), self._lengths)
        pairs, self._counts = np.unique(owners * self._vocabulary + ids, return_counts=True)
        self._owners, self._ids = np.divmod(pairs, self._vocabulary)

    def __call__(self, tokens: Sequence[int]) -> Neighbour:
        """Find the nearest sequence; the first of several."""
        query = np.asarray(tokens, dtype=np.int64)
        bound = np.maximum(self._lengths, len(query)) - self._common(query)
        order = np.argsort(bound, kind="stable")[:CANDIDATES]
        best = Neighbour(-1, len(query) + int(self._lengths.max()) + 1, exact=False)
        for start in range(0, len(order), AT_A_TIME):
            block = order[start : start + AT_A_TIME]
            if bound[block[0]] >= best.distance:
                break
            distances = edit_distances(query, [self.corpus.corpus.tokens(self.corpus.rows[each]) for each in block])
            nearest = int(distances.argmin())
            if distances[nearest] < best.distance:
                best = Neighbour(int(self.corpus.rows[block[nearest]]), int(distances[nearest]), exact=False)
        # Nothing that was left out comes below the largest bound that was let in.
        exact = len(order) == len(bound) or bool(bound[order[-1]] >= best.distance)
        return Neighbour(best.row, best.distance, exact)

    def _common(self, query: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tokens that each sequence has in common with the query, as multisets."""
        wanted = np.bincount(query[query < self._vocabulary], minlength=self._vocabulary)[self._ids]
        found = np.flatnonzero(wanted)
        shared = np.minimum(wanted[found], self._counts[found])
        return np.bincount(self._owners[found], shared, minlength=len(self._lengths)).astype(np.int64)
