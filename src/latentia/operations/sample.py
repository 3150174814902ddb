"""New texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from latentia.decoding import Ancestral, Strategy
from latentia.operations.operation import operation
from latentia.operations.regions import Draw, Origin, Region, codes_of
from latentia.operations.space import ROWS_AT_A_TIME, Space, seeded
from latentia.shapes import NonNegativeInt, PositiveFloat, PositiveInt

DRAWN = Ancestral()


@operation
def sample(
    space: Space,
    n: PositiveInt = 10,
    *,
    near: Sequence[str] = (),
    label: str = "",
    region: Region = "prior",
    spread: PositiveFloat = 1.0,
    strategy: Strategy = DRAWN,
    seed: NonNegativeInt = 0,
) -> Iterator[str]:
    """Write new texts.

    Codes come from the prior, or from an equal mixture of the posteriors of texts, which has no holes: of some texts,
    of the training texts of a label, or of all training texts. A model of one code a token draws its codes from the
    prior that was fitted to them.

    Args:
        space: Where the codes are drawn.
        n: Number of texts.
        near: Draw around the code of this text; may be repeated.
        label: Draw where the training texts of this label are.
        region: prior, or aggregate: where all training texts are.
        spread: How many times as wide as they are posteriors are drawn from.
        strategy: How tokens are chosen.
        seed: Of codes and tokens.

    Raises:
        InputError: If more than one of near, label and region is given, a spread without any, a text that cannot be
            read or a label that no training text has, or posteriors are to be mixed in a model of one code a token.
    """
    return _sampled(space, n, codes_of(space, Origin(near, label, region, spread)), strategy, seed)


def _sampled(space: Space, n: int, draw: Draw, strategy: Strategy, seed: int) -> Iterator[str]:
    for number, start in enumerate(range(0, n, ROWS_AT_A_TIME)):
        with seeded(seed, number):
            texts = space.write(draw(min(ROWS_AT_A_TIME, n - start)), strategy)
        yield from texts
