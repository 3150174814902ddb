"""Texts that are changed in one respect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from latentia.data import Selection
from latentia.decoding import Beam, Strategy
from latentia.errors import InputError
from latentia.operations.contrast import contrast_of
from latentia.operations.lines import Refused, also_said
from latentia.operations.operation import operation
from latentia.operations.space import Space
from latentia.shapes import FiniteFloat, InnerShare, NonNegativeInt

SEARCHED = Beam()
LIKELY = 0.95


@dataclass(frozen=True)
class Edited:
    """A text and what became of it.

    Attributes:
        line: Number of the text, counted from 1.
        text: As it was.
        edited: As it is.
        strength: How far its code was moved.
        before: Probability that its code had what is wanted.
        after: Probability that the moved code has it.
    """

    line: int
    text: str
    edited: str
    strength: float
    before: float
    after: float

    def __str__(self) -> str:
        """Show the probabilities and the text."""
        return f"{self.before:4.2f} -> {self.after:4.2f}  {self.edited}"


@operation
def edit(  # noqa: PLR0913 - options of a command
    space: Space,
    texts: Iterable[str],
    *,
    attribute: str = "",
    from_: Iterable[str] = (),
    to: Iterable[str] = (),
    strength: FiniteFloat = 1.0,
    way: Literal["means", "normal", "guided"] = "means",
    probability: InnerShare = LIKELY,
    strategy: Strategy = SEARCHED,
    seed: NonNegativeInt = 0,
) -> Iterator[Edited | Refused]:
    r"""Change texts in one respect, which a label or two lists of texts say.

    .. math:: z' = z + s \, (\bar z_{\text{to}} - \bar z_{\text{from}})

    with ``z`` the centre of a text's posterior and the means over the centres of the two groups. The other ways go as
    far in another direction, or each code its own way. On a sphere the code is scaled back to length 1.

    The probabilities are those of a classifier that was fitted to the codes of the groups: a logistic regression, or of
    a guided walk its own. They judge codes: what is read in the written text is for another classifier to say.

    Args:
        space: Where the texts are encoded.
        texts: What to change.
        attribute: Label of training texts that have what is wanted; all others have it not.
        from_: Texts that have it not, in place of an attribute.
        to: Texts that have it.
        strength: How far to go, in distances of the two groups' means; below 0 the other way. Of a guided walk, how
            weakly it is pulled back.
        way: means: along the difference of the groups' means; normal: across the plane that tells them apart best;
            guided: up the log-odds of a small classifier.
        probability: Where a guided walk stops.
        strategy: How tokens are chosen.
        seed: Of tokens that are drawn.

    Raises:
        InputError: If neither an attribute nor two lists are given, or both; if the training texts have no labels, not
            this one or no other, or no text of a list can be read; if the model has one code a token.

    Source: Larsen et al., Autoencoding beyond Pixels Using a Learned Similarity Metric, 2016, for
    attribute vectors; of sentences, Shen et al., Educating Text Autoencoders, 2020. For walks, Wang, Hua
    and Wan, Controllable Unsupervised Text Attribute Transfer via Editing Entangled Latent Representation, 2019.
    """
    if way == "guided" and strength <= 0:
        raise InputError(f"strength is {strength:g}", "a guided walk takes one above 0; give the groups the other way")
    if way != "guided" and probability != LIKELY:
        raise InputError(f"probability is {probability:g} and way {way!r}", "give it beside the guided way alone")
    contrast = contrast_of(space, attribute, from_, to)

    def answer(chosen: Selection, lines: list[int]) -> Iterator[Edited]:
        codes = space.centres(chosen)
        if way == "guided":
            moved = contrast.walk(codes, strength, probability, space.supported)
        else:
            moved = space.supported(codes + strength * (contrast.difference if way == "means" else contrast.normal))
        judged = contrast.likely if way == "guided" else contrast.probability
        written = space.written(moved, strategy, seed, lines)
        columns = (lines, chosen.texts(), written, judged(codes).tolist(), judged(moved).tolist())
        for line, text, edited, before, after in zip(*columns, strict=True):
            yield Edited(line, text, edited, strength, before, after)

    return also_said(space.answered(texts, answer), contrast.remarks)
