"""New texts."""

from __future__ import annotations

from collections.abc import Iterator

from latentia.decoding import Ancestral, Strategy
from latentia.operations.operation import operation
from latentia.operations.space import ROWS_AT_A_TIME, Space, seeded
from latentia.shapes import NonNegativeInt, PositiveInt

DRAWN = Ancestral()


@operation
def sample(space: Space, n: PositiveInt = 10, *, strategy: Strategy = DRAWN, seed: NonNegativeInt = 0) -> Iterator[str]:
    """Write new texts.

    A model of one code a token draws its codes from the prior that was fitted to them.

    Args:
        space: Where the codes are drawn.
        n: Number of texts.
        strategy: How tokens are chosen.
        seed: Of codes and tokens.
    """
    return _sampled(space, n, strategy, seed)


def _sampled(space: Space, n: int, strategy: Strategy, seed: int) -> Iterator[str]:
    for number, start in enumerate(range(0, n, ROWS_AT_A_TIME)):
        with seeded(seed, number):
            texts = space.write(space.model.sample(min(ROWS_AT_A_TIME, n - start), space.steps), strategy)
        yield from texts
