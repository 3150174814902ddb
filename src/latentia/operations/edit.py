"""Texts that are changed in one respect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from latentia.data import Selection
from latentia.decoding import Strategy
from latentia.errors import InputError
from latentia.operations.contrast import Contrast, Groups, contrast_of, groups_of
from latentia.operations.drafts import Draft, TokenClassifier, best_of, kept
from latentia.operations.lines import Refused, also_said
from latentia.operations.operation import operation
from latentia.operations.refined import refined
from latentia.operations.space import ROWS_AT_A_TIME, SEARCHED, Space
from latentia.operations.swaps import swapped
from latentia.shapes import Count, FiniteFloat, InnerShare, NonNegativeInt, ShareBelowOne

LIKELY, SURE = 0.95, 0.7

Way = Literal["means", "normal", "guided"]


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
        read: Probability that what was written has it, by its tokens.
        kept: Share of the n-grams, of 1 to 4 words, that the two texts have in common.
    """

    line: int
    text: str
    edited: str
    strength: float
    before: float
    after: float
    read: float
    kept: float

    @property
    def remark(self) -> str:
        """Say so if the text came back as it was."""
        return "unchanged; try more strength or candidates" if self.edited == self.text else ""

    def __str__(self) -> str:
        """Show the probabilities of the codes, that of the text and what it keeps, and the text."""
        return f"{self.before:4.2f} -> {self.after:4.2f}  read {self.read:4.2f}  kept {self.kept:4.0%}  {self.edited}"


@operation
def edit(  # noqa: PLR0913 - options of a command
    space: Space,
    texts: Iterable[str],
    *,
    attribute: str = "",
    from_: Iterable[str] = (),
    to: Iterable[str] = (),
    strength: FiniteFloat = 1.0,
    way: Way = "means",
    probability: InnerShare = LIKELY,
    rewrite: Literal["all", "words"] = "all",
    candidates: Count = 1,
    threshold: ShareBelowOne = SURE,
    refine: NonNegativeInt = 0,
    strategy: Strategy = SEARCHED,
    seed: NonNegativeInt = 0,
) -> Iterator[Edited | Refused]:
    r"""Change texts in one respect, which a label or two lists of texts say.

    .. math:: z' = z + s \, (\bar z_{\text{to}} - \bar z_{\text{from}})

    with ``z`` the centre of a text's posterior and the means over the centres of the two groups. The other ways go as
    far in another direction, or each code its own way. On a sphere the code is scaled back to length 1.

    The text may be written anew from its moved code, or keep all words but those that lose most of their probability
    when the code is moved, in whose place the moved code puts others.

    With several candidates a text is written anew at as many strengths, evenly spaced up to the given one, or with one
    to so many other words. Of those that have what is wanted the one is given that keeps most of the text: no text goes
    further than it must.

    What the decoder loses of a text is lost whatever is changed. Refined codes lose less: they begin at the centre of
    the posterior and ascend :math:`\log p(x|z) + \log p(z)`.

    Two classifiers that were fitted to the groups say how probable what is wanted is: one of codes, a logistic
    regression or of a guided walk its own, and one of the tokens that were written. Both have seen the groups' texts;
    how well texts are changed is for a third to say.

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
        rewrite: all: the whole text; words: one word alone, or with several candidates as few as will do, up to their
            number.
        candidates: Texts to write of each, at strengths up to the given one or with up to so many other words, for the
            best to be given.
        threshold: A candidate has what is wanted if its tokens make that more probable than this.
        refine: Steps by which each code is first brought to where its text is written more exactly.
        strategy: How tokens of whole texts are chosen.
        seed: Of tokens that are drawn.

    Raises:
        InputError: If neither an attribute nor two lists are given, or both; if the training texts have no labels, not
            this one or no other, or no text of a list can be read; if the model has one code a token, the strength is
            not above 0 where a walk is guided or candidates are compared; or if a probability is given for another way,
            a threshold for a single candidate, or a strategy where words are rewritten.

    Source: Larsen et al., Autoencoding beyond Pixels Using a Learned Similarity Metric, 2016, for
    attribute vectors; of sentences, Shen et al., Educating Text Autoencoders, 2020. For walks, Wang, Hua
    and Wan, Controllable Unsupervised Text Attribute Transfer via Editing Entangled Latent Representation, 2019.
    """
    if strength <= 0 and (way == "guided" or candidates > 1):
        what = "a guided walk" if way == "guided" else "a choice among candidates"
        raise InputError(f"strength is {strength:g}", f"{what} takes one above 0; give the groups the other way")
    _require_effect(way, probability, candidates, threshold)
    if rewrite == "words" and not _is_default(strategy):
        name = type(strategy).__name__
        raise InputError(f"strategy is {name} and rewrite 'words', which searches its own way", "leave out one of them")
    learned = _of_label if isinstance(from_, tuple) and isinstance(to, tuple) and not (from_ or to) else _of_lists
    groups, contrast, classifier = learned(space, attribute, from_, to)
    judge = contrast.likely if way == "guided" else contrast.probability

    def rated(part: Selection, written: list[str], moved: Float[Tensor, "N D"], reach: float) -> list[Draft]:
        shares = map(kept, part.texts(), written)
        columns = zip(written, judge(moved).tolist(), classifier.probability(written), shares, strict=True)
        return [Draft(text, reach, aimed, read, share) for text, aimed, read, share in columns]

    def drafted(part: Selection, lines: list[int], codes: Float[Tensor, "N D"]) -> Iterator[list[Draft]]:
        counts = range(1, candidates + 1)
        if rewrite == "words":
            moved = _moved(space, contrast, way, codes, strength, probability)
            yield from (rated(part, texts, moved, strength) for texts in swapped(space, part, codes, moved, counts))
            return
        for number in counts:
            reach = strength * number / candidates
            moved = _moved(space, contrast, way, codes, reach, probability)
            texts = list(space.written(moved, strategy, seed * candidates + number, lines))
            yield rated(part, texts, moved, reach)

    def answer(chosen: Selection, lines: list[int]) -> Iterator[Edited]:
        for start in range(0, len(chosen), ROWS_AT_A_TIME):
            part = Selection(chosen.corpus, chosen.rows[start : start + ROWS_AT_A_TIME])
            own, codes = lines[start : start + ROWS_AT_A_TIME], refined(space, part, space.centres(part), refine)
            drafts = zip(*drafted(part, own, codes), strict=True)
            for line, text, before, each in zip(own, part.texts(), judge(codes).tolist(), drafts, strict=True):
                best = best_of(each, threshold)
                yield Edited(line, text, best.text, best.strength, before, best.aimed, best.read, best.kept)

    return also_said(space.answered(texts, answer), groups.remarks)


Learned = tuple[Groups, Contrast, TokenClassifier]
"""Two groups of texts, the way from one to the other, and what reads which of them a text is of."""


def _of_label(space: Space, attribute: str, *none: Iterable[str]) -> Learned:
    return space.kept(("edit", attribute), lambda: _of_lists(space, attribute, *none))


def _of_lists(space: Space, attribute: str, from_: Iterable[str], to: Iterable[str]) -> Learned:
    groups = groups_of(space, attribute, from_, to)
    return groups, contrast_of(space, groups), TokenClassifier(space.tokenizer, groups.without, groups.having)


def _require_effect(way: Way, probability: float, candidates: int, threshold: float) -> None:
    """Refuse settings that another leaves without effect."""
    if way != "guided" and probability != LIKELY:
        raise InputError(f"probability is {probability:g} and way {way!r}", "give it beside the guided way alone")
    if candidates == 1 and threshold != SURE:
        raise InputError(f"threshold is {threshold:g} and candidates 1", "give it beside two candidates or more")


def _is_default(strategy: Strategy) -> bool:
    return type(strategy) is type(SEARCHED) and vars(strategy) == vars(SEARCHED)


def _moved(
    space: Space, contrast: Contrast, way: Way, codes: Float[Tensor, "N D"], strength: float, probability: float
) -> Float[Tensor, "N D"]:
    """Move codes some way, to where the prior can draw."""
    if way == "guided":
        return contrast.walk(codes, strength, probability, space.supported)
    return space.supported(codes + strength * (contrast.difference if way == "means" else contrast.normal))
