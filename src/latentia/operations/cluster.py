"""Groups of texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from latentia.decoding import Strategy
from latentia.errors import InputError
from latentia.functional.nearest import nearest
from latentia.operations.index import Index
from latentia.operations.lines import Refused, Remarked, remarks_on_unknown
from latentia.operations.operation import operation
from latentia.operations.space import SEARCHED, Space
from latentia.shapes import NonNegativeInt, PositiveInt

STARTS = 10


@dataclass(frozen=True, eq=False)
class Cluster:
    """Texts whose codes lie together.

    Attributes:
        name: What the middle of the cluster decodes to.
        size: Texts in it.
        share: Of all texts.
        spread: Root mean squared distance of its codes from its middle.
        central: Its different texts nearest to the middle, nearest first.
        lines: Numbers of all its texts, counted from 1.
        code: The middle, float32, ``[D]``: the mean of the codes, on a sphere the direction of that.
    """

    name: str
    size: int
    share: float
    spread: float
    central: tuple[str, ...]
    lines: tuple[int, ...]
    code: NDArray[np.float32]

    def __str__(self) -> str:
        """Write the name above the central texts."""
        texts = "1 text" if self.size == 1 else f"{self.size:,} texts"
        return "\n".join([f"{texts} ({self.share:.1%}): {self.name}", *(f"    {each}" for each in self.central)])


@operation
def cluster(
    space: Space,
    data: Iterable[str],
    *,
    k: PositiveInt = 8,
    central: PositiveInt = 3,
    strategy: Strategy = SEARCHED,
    seed: NonNegativeInt = 0,
) -> Iterator[Cluster | Refused]:
    r"""Group texts by their codes, and name each group by what its middle decodes to.

    .. math:: \min_{c_1 .. c_k} \sum_n \min_j \lVert z_n - c_j \rVert^2

    by k-means, the best of ten starts; on a sphere the middles are scaled to directions at the end. The largest group
    comes first. All codes are held, and the same seed gives the same groups.

    Args:
        space: Where the texts are encoded.
        data: What to group.
        k: Number of groups.
        central: Different texts of each group that are shown, the nearest to its middle.
        strategy: How the tokens of the names are chosen.
        seed: Of where the search starts, and of tokens that are drawn.

    Raises:
        InputError: If there are fewer different codes than groups, or the model has one code a token.

    Source: Arthur and Vassilvitskii, k-means++: The Advantages of Careful Seeding, 2007.
    """
    space.require_whole_codes()
    index = cache(lambda: Index.of(space, data))
    found = _clustered(space, index, k, central, strategy, seed)
    return Remarked(found, lambda: remarks_on_unknown(index().unknown))


def _clustered(
    space: Space, made: Callable[[], Index], k: int, central: int, strategy: Strategy, seed: int
) -> Iterator[Cluster | Refused]:
    index = made()
    labels = _labels(index, k, seed)
    members = sorted((np.flatnonzero(labels == label) for label in range(k)), key=len, reverse=True)
    middles = space.supported(torch.stack([index.codes[torch.from_numpy(rows)].mean(dim=0) for rows in members]))
    names = space.written(middles, strategy, seed)
    for rows, middle, name in zip(members, middles, names, strict=True):
        yield _described(index, rows, middle, name, central)
    yield from index.refused


def _labels(index: Index, k: int, seed: int) -> NDArray[Any]:
    """The group of each code.

    Raises:
        InputError: If there are fewer different codes than groups.
    """
    from sklearn.cluster import KMeans

    # One text twice in a batch may have two codes that differ by their rounding.
    different = min(len(torch.unique(index.codes, dim=0)), len(set(index.texts)))
    if different < k:
        raise InputError(f"k is {k} and there are {different} different codes", "take fewer groups or more texts")
    state = int(np.random.SeedSequence(seed).generate_state(1)[0])
    labels: NDArray[Any] = KMeans(k, n_init=STARTS, random_state=state).fit_predict(index.codes.numpy())
    return labels


def _described(index: Index, rows: NDArray[np.int64], middle: Float[Tensor, " D"], name: str, central: int) -> Cluster:
    codes = index.codes[torch.from_numpy(rows)]
    different = torch.tensor(sorted({index.texts[row]: row for row in rows.tolist()}.values()))
    nearby = different[nearest(middle[None], index.codes[different], central).rows[0]]
    return Cluster(
        name=name,
        size=len(rows),
        share=len(rows) / len(index.texts),
        spread=(codes - middle).square().sum(dim=1).mean().sqrt().item(),
        central=tuple(index.texts[row] for row in nearby.tolist()),
        lines=tuple(index.lines[row] for row in rows),
        code=middle.numpy(),
    )
