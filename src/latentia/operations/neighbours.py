"""The texts nearest to one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache

import numpy as np
from torch import Tensor

from latentia.data import Selection
from latentia.errors import InputError
from latentia.operations.index import Index, Neighbour
from latentia.operations.lines import Refused, Remarked, remarks_on_unknown
from latentia.operations.operation import operation
from latentia.operations.space import FROM_RUN, Space
from latentia.shapes import PositiveInt


@operation
def neighbours(
    space: Space, text: str, n: PositiveInt = 10, *, data: Iterable[str] = ()
) -> Iterator[Neighbour | Refused]:
    """Find the texts whose codes are nearest to that of a text.

    A text that is there more than once is one answer, with a count and the first of its lines; of training texts the
    count is that among those looked at, and lines are numbered among those that training used. Distances are Euclidean
    between the centres of posteriors, on a sphere angles in radians. For many queries make an :class:`Index` once.

    Args:
        space: Where the texts are encoded.
        text: Whose neighbours are wanted.
        n: Number of different texts.
        data: Where they are looked for; without it, among up to 10,000 of the training texts.

    Raises:
        InputError: If the text cannot be read, the model has one code a token, or there is no data and the space does
            not hold its training texts.
    """
    space.require_whole_codes()
    query, unknown = space.encode([text]), space.unknown_in([text])
    # An array of no truth value is data too.
    of_training = isinstance(data, tuple) and not data
    if of_training and not space.knows_training:
        raise InputError("this space does not hold its training texts", f"give data to look in, or {FROM_RUN}")
    index = cache(
        lambda: space.kept(("neighbours",), lambda: _of_training(space)) if of_training else Index.of(space, data)
    )
    return Remarked(_found(index, query, n), lambda: remarks_on_unknown(unknown + index().unknown))


def _found(made: Callable[[], Index], query: Tensor, n: int) -> Iterator[Neighbour | Refused]:
    index = made()
    yield from index.search(query, n)[0]
    yield from index.refused


def _of_training(space: Space) -> Index:
    """Index the atlas, which comes by length, in the order of its lines: of equal texts the first is told."""
    atlas = space.atlas
    order = np.argsort(atlas.texts.rows)
    chosen = Selection(atlas.texts.corpus, atlas.texts.rows[order])
    return Index(space, list(chosen.texts()), atlas.posteriors.centre[order], (chosen.rows + 1).tolist())
