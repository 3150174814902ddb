"""Where in the space new codes are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from latentia.data import Corpus, Selection
from latentia.distributions import CodeDistribution
from latentia.errors import InputError
from latentia.evaluation.aggregate import aggregate_of
from latentia.operations.lines import Refused
from latentia.operations.sinks import set_aside
from latentia.operations.space import ATLAS_SIZE, ROWS_AT_A_TIME, Space

Region = Literal["prior", "aggregate"]

Draw = Callable[[int], Float[Tensor, "N *code"]]
"""Draws so many codes."""


@dataclass(frozen=True)
class Origin:
    """Where codes are drawn: around texts, among the texts of a label, or in a whole region; at most one of them.

    Attributes:
        near: Texts whose posteriors are drawn from, each as often.
        label: Name of a class of the training texts.
        region: The prior, or the aggregate posterior, which has no holes.
        spread: How many times as wide as they are posteriors are drawn from.
    """

    near: Sequence[str] = ()
    label: str = ""
    region: Region = "prior"
    spread: float = 1.0


def codes_of(space: Space, origin: Origin) -> Draw:
    r"""Return what draws the codes of an origin.

    The prior, or the equal mixture of the posteriors of some texts,

    .. math:: z \sim \frac1N \sum_n q_s(z | x_n)

    where ``q_s`` is a posterior with standard deviations ``s`` times as large.

    Raises:
        InputError: If two origins are given, a spread beside the prior, a text that cannot be read, a label that no
            training text has; or posteriors are to be mixed in a model of one code a token.
    """
    given = [name for name in ("near", "label") if getattr(origin, name)]
    given += ["region"] if origin.region != "prior" else []
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} are given", "give one of them")
    if given:
        return _drawing(_posteriors(space, origin).widened(origin.spread))
    if origin.spread != 1:
        raise InputError(f"spread is {origin.spread:g}", "give it beside near, label or region=aggregate")
    return lambda count: space.model.sample(count, space.steps)


def posteriors_of(space: Space, chosen: Selection) -> CodeDistribution:
    """Encode texts; rows come by length."""
    return aggregate_of(space.model, chosen.batches(ROWS_AT_A_TIME))


def labelled(space: Space, label: str, others: bool = False) -> Selection:
    """Return up to 10,000 training texts of a label, or of all the others, drawn at random once and for all.

    Raises:
        InputError: If the training texts have no labels, or not this one.
    """
    names = space.training.corpus.label_names
    if not names:
        raise InputError("the training texts have no labels", "train with their column named by --label")
    if label not in names:
        raise InputError(f"there is no label {label!r}", f"take one of {', '.join(names)}")
    chosen = space.training
    with_label = chosen.corpus.labels[chosen.rows] == names.index(label)
    return Selection(chosen.corpus, chosen.rows[with_label != others]).shuffled(0).first(ATLAS_SIZE)


def read(space: Space, texts: Sequence[str]) -> tuple[Selection, list[Refused]]:
    """Tokenise texts that are given as an option, and refuse those that cannot be read.

    Raises:
        InputError: If none can be read.
    """
    refused: list[Refused] = []
    usable = list(set_aside(space.answered(texts, lambda chosen, _: chosen.texts()), refused))
    if not usable and refused:
        raise refused[0].as_error()
    return Selection.all_of(Corpus.from_texts(usable, space.tokenizer)), refused


def _posteriors(space: Space, origin: Origin) -> CodeDistribution:
    space.require_whole_codes()
    if origin.near:
        chosen, refused = read(space, origin.near)
        if refused:
            raise refused[0].as_error()
        return posteriors_of(space, chosen)
    if origin.label:
        chosen = _some(labelled(space, origin.label), origin.label)
        return space.kept(("label", origin.label), lambda: posteriors_of(space, chosen))
    return space.atlas.posteriors


def _some(chosen: Selection, label: str) -> Selection:
    if not len(chosen):
        raise InputError(f"no training text has the label {label!r}", "take another label")
    return chosen


def _drawing(posteriors: CodeDistribution) -> Draw:
    """Draw a row for each code, and the code from it."""
    rows = len(posteriors.centre)

    def draw(count: int) -> Tensor:
        chosen = torch.randint(rows, (count,))
        drawn: Tensor = posteriors.at(chosen).sample()
        return drawn

    return draw
