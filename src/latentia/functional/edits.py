"""Edit distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def edit_distances(query: NDArray[np.int64], others: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Levenshtein distance of one sequence of numbers to each of several: insertions, deletions and replacements.

    The table is filled a row at a time for all of them; insertions along a row are a running minimum.

    Source: Levenshtein, Binary Codes Capable of Correcting Deletions, Insertions and Reversals, 1966.

    >>> edit_distances(np.array([5, 6, 7]), [[5, 6, 7], [6, 7], [5, 8, 7, 9], []])
    array([0, 1, 2, 3])
    """
    lengths = np.array([len(other) for other in others])
    table = np.full((len(others), int(lengths.max(initial=0))), -1)
    for row, other in zip(table, others, strict=True):
        row[: len(other)] = other
    column = np.arange(table.shape[1] + 1)
    costs = np.repeat(column[None], len(others), axis=0)
    for token in query:
        entered = costs + 1
        entered[:, 1:] = np.minimum(entered[:, 1:], costs[:, :-1] + (table != token))
        costs = np.minimum.accumulate(entered - column, axis=1) + column
    distances: NDArray[np.int64] = costs[np.arange(len(others)), lengths]
    return distances
