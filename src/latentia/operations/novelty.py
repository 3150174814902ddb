"""New texts of a class: where their codes are drawn, and which of what is written there is given."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from latentia.data import Tokenizer
from latentia.decoding import Strategy
from latentia.errors import InputError
from latentia.operations.examples import Examples, Ids, Judges
from latentia.operations.space import ROWS_AT_A_TIME, Space, seeded

Method = Literal["prior", "neighbours", "interpolation", "mixup"]

FARTHEST = 0.5
"""Share of the way to the other text that an interpolation of strength 1 goes at most: past it the other is nearer."""

MIXING = 0.2
"""Both parameters of the Beta distribution of a mixing share."""


@dataclass(frozen=True)
class Augmented:
    """A new text of a class.

    Attributes:
        text: What was written.
        label: The class that it was written for.
        method: How its code was found.
        source: Line of the text that its code started from; 0 where it started from the class.
        probability: Of the label, by a classifier that has not seen that text.
    """

    text: str
    label: str
    method: str
    source: int
    probability: float

    def __str__(self) -> str:
        """Give label and text as two columns."""
        return f"{self.label}\t{self.text}"


@dataclass(frozen=True)
class Plan:
    """How texts are made: the settings of :func:`latentia.operations.augment`."""

    method: Method
    copies: int
    strength: float
    threshold: float
    seed: int
    strategy: Strategy


@dataclass
class Fates:
    """What became of all that was written.

    Attributes:
        known: Token ids of texts that would be nothing new; what is given is added.
        counts: Of texts by their fate.
    """

    known: set[tuple[int, ...]]
    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """Say how many were given, and why the others were not."""
        left_out = [f"{count:,} {fate}" for fate, count in sorted(self.counts.items()) if fate != "given"]
        return "; ".join([f"{self.counts['given']:,} of {self.counts.total():,} texts given", *left_out])


def known_texts(tokenizer: Tokenizer, texts: Iterable[str]) -> Fates:
    """Begin with texts that are known."""
    return Fates(set(map(tuple, tokenizer.encode_batch(list(texts)))))


def new_texts(space: Space, examples: Examples, plan: Plan, fates: Fates) -> Iterator[Augmented]:
    """Yield new texts as they are written, a chunk at a time, and count the others.

    Raises:
        InputError: If a class has one text, and others of it are asked for, or there is no other class to mix with.
    """
    _require_partners(examples, plan.method)
    judges = Judges(space.tokenizer, examples, plan.seed)
    chunks = itertools.product(range(plan.copies), range(0, len(examples), ROWS_AT_A_TIME))
    return itertools.chain.from_iterable(_chunk(space, examples, plan, judges, fates, *chunk) for chunk in chunks)


def _require_partners(examples: Examples, method: Method) -> None:
    if method == "interpolation" and examples.smallest() < 2:
        few = examples.names[int(np.argmin([len(rows) for rows in examples.members()]))]
        raise InputError(f"the class {few!r} has one text", "give at least two of each, or take another method")
    if method == "mixup" and len(examples.names) < 2:
        raise InputError(f"there is one class, {examples.names[0]!r}", "give texts of two, or take another method")


def _chunk(
    space: Space, examples: Examples, plan: Plan, judges: Judges, fates: Fates, copy: int, start: int
) -> Iterator[Augmented]:
    """Write and judge one text for each of a few examples."""
    rows = np.arange(start, min(start + ROWS_AT_A_TIME, len(examples)))
    with seeded(plan.seed, copy, start), torch.no_grad():
        codes = DRAWS[plan.method](examples, rows, plan.strength)
        texts = space.write(space.supported(codes), plan.strategy)
    of_class = plan.method == "prior"
    probabilities = judges.probabilities(texts, rows, own=not of_class)
    for row, text, ids, probability in zip(
        rows, texts, space.tokenizer.encode_batch(texts), probabilities, strict=True
    ):
        fate = _fate(tuple(ids), float(probability), plan.threshold, fates.known)
        fates.counts[fate] += 1
        if fate == "given":
            fates.known.add(tuple(ids))
            source = 0 if of_class else int(examples.lines[row])
            label = examples.names[examples.labels[row]]
            yield Augmented(text, label, plan.method, source, float(probability))


def _fate(ids: tuple[int, ...], probability: float, threshold: float, known: set[tuple[int, ...]]) -> str:
    if not ids:
        return "empty"
    if ids in known:
        return "nothing new"
    return "given" if threshold == 0 or probability > threshold else "judged to be of another class"


def around(examples: Examples, rows: Ids, strength: float) -> Float[Tensor, "N D"]:
    r"""Draw a code around each text, :math:`m(x) + a \, s(x) \, \epsilon`."""
    own = examples.at(rows).posteriors
    return own.centre + strength * (own.sample() - own.centre)


def between(examples: Examples, rows: Ids, strength: float) -> Float[Tensor, "N D"]:
    """Draw a code on the way from each text to another of its class."""
    own, others = examples.posteriors.centre[rows], examples.posteriors.centre[_partners(examples, rows)]
    return torch.lerp(own, others, strength * FARTHEST * torch.rand(len(rows), 1))


def _partners(examples: Examples, rows: Ids) -> Ids:
    """Draw another text of the class of each."""
    members = examples.members()
    partners = np.empty(len(rows), dtype=np.int64)
    for place, row in enumerate(rows):
        others = members[examples.labels[row]]
        step = int(torch.randint(1, len(others), ()))
        partners[place] = others[(np.searchsorted(others, row) + step) % len(others)]
    return partners


def mixtures(examples: Examples, rows: Ids, strength: float) -> Float[Tensor, "N D"]:
    """Draw a code on the way from each text to one of another class, nearer to its own.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz, mixup: Beyond Empirical Risk Minimization, 2018, equation 1.
    """
    centres, every = examples.posteriors.centre, np.arange(len(examples))
    others = [every[examples.labels != label] for label in range(len(examples.names))]
    chosen = np.array([others[label][int(torch.randint(len(others[label]), ()))] for label in examples.labels[rows]])
    share = torch.distributions.Beta(MIXING, MIXING).sample(torch.Size([len(rows), 1]))
    return torch.lerp(centres[rows], centres[chosen], strength * torch.minimum(share, 1 - share))


def of_the_class(examples: Examples, rows: Ids, strength: float) -> Float[Tensor, "N D"]:
    """Draw a code for each text from the aggregate posterior of its class, as a Gaussian of its moments.

    The covariance of the centres is never formed: weighing their deviations by independent noise has it.
    """
    codes = torch.empty(len(rows), examples.posteriors.event_shape[0])
    for label, members in enumerate(examples.members()):
        chosen = examples.labels[rows] == label
        count, centres = int(chosen.sum()), examples.posteriors.centre[members]
        mean = centres.mean(dim=0)
        spread = torch.randn(count, len(members)) @ (centres - mean) / len(members) ** 0.5
        within = examples.at(members[torch.randint(len(members), (count,)).numpy()]).posteriors
        codes[chosen] = mean + strength * (spread + within.sample() - within.centre)
    return codes


DRAWS: Mapping[str, Callable[[Examples, Ids, float], Float[Tensor, "N D"]]] = MappingProxyType(
    {"neighbours": around, "interpolation": between, "mixup": mixtures, "prior": of_the_class}
)
