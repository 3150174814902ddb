"""New texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice

from latentia.decoding import Ancestral, Strategy
from latentia.errors import ImpossibleError
from latentia.operations.constraints import constrained, remarks_on_phrases
from latentia.operations.lines import also_said
from latentia.operations.operation import operation
from latentia.operations.regions import Draw, Origin, Region, codes_of
from latentia.operations.space import Space, seeded
from latentia.shapes import NonNegativeInt, PositiveFloat, PositiveInt

DRAWN = Ancestral()

DRAWS_WITHOUT_NEW = 10_000
"""Texts in a row that were written before, after which no other is looked for."""


@operation
def sample(  # noqa: PLR0913 - the options of a command
    space: Space,
    n: PositiveInt = 10,
    *,
    near: Sequence[str] = (),
    label: str = "",
    region: Region = "prior",
    spread: PositiveFloat = 1.0,
    must: Sequence[str] = (),
    in_order: bool = False,
    must_not: Sequence[str] = (),
    pattern: str = "",
    length: str = "",
    unique: bool = False,
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
        must: A phrase that must appear, as whole words; may be repeated, and one given twice must appear twice.
        in_order: The phrases must appear one after another as they are given.
        must_not: A phrase that must not appear; may be repeated.
        pattern: A regular expression that the whole text must match.
        length: Fewest and most tokens, as MIN:MAX; either may be left out.
        unique: Write no text twice; ends with an error when 10,000 texts in a row bring no new one.
        strategy: How tokens are chosen.
        seed: Of codes and tokens.

    Raises:
        ImpossibleError: If no text meets the demands, or there are not so many different ones.
        InputError: If a demand cannot be understood, or the model cannot write one of its words; if more than one of
            near, label and region is given, a spread without any, a text that cannot be read or a label that no
            training text has, or posteriors are to be mixed in a model of one code a token.
    """
    demanding = constrained(space, strategy, must, must_not, pattern, length, in_order)
    texts = _sampled(space, codes_of(space, Origin(near, label, region, spread)), demanding, seed, n)

    def remarks() -> list[str]:
        return [*(space.remarks_on(near) if near else []), *remarks_on_phrases(strategy, must)]

    return also_said(_different(texts, n) if unique else islice(texts, n), remarks)


def _sampled(space: Space, draw: Draw, strategy: Strategy, seed: int, n: int) -> Iterator[str]:
    """Write texts without end, in chunks of no more than are asked for."""
    most = strategy.codes_at_a_time
    for number, start in enumerate(count(0, most)):
        with seeded(seed, number):
            rows = min(most, n - start) if start < n else most
            texts = space.write(draw(rows), strategy)
        yield from texts


def _different(texts: Iterable[str], n: int) -> Iterator[str]:
    """Yield the first so many different texts.

    Raises:
        ImpossibleError: After 10,000 texts in a row that were written before.
    """
    written: set[str] = set()
    draws = 0
    for text in texts:
        draws = 0 if text not in written else draws + 1
        if not draws:
            written.add(text)
            yield text
        if len(written) == n:
            return
        if draws == DRAWS_WITHOUT_NEW:
            remedy = "ask for fewer, demand less, or draw more freely"
            raise ImpossibleError(f"{n} different texts were not found, but {len(written)}", remedy)
