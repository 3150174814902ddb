"""Blanks that are filled."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from latentia.data import Selection
from latentia.errors import InputError
from latentia.functional.chains import effective_draws
from latentia.operations.blanks import Blanked, Fills, blanked
from latentia.operations.completion import Completion
from latentia.operations.lines import Refused, Remarked, remarks_on, remarks_on_unknown
from latentia.operations.operation import operation
from latentia.operations.space import Space, seeded
from latentia.shapes import Count, NonNegativeInt, PositiveInt

Method = Literal["gibbs", "modes"]

SWEEPS = 40

BEGINNING = 0.25
"""Share of the sweeps that are not counted, in which chains come to where they belong."""

FEW = 50
FEW_DRAWS = f"draws worth fewer than {FEW} independent ones, so that standard errors are rough; take more sweeps"

UNSETTLED = "alternating inference comes to rest nowhere, so that fills are where it was stopped; take the method gibbs"

SHARED = 32
"""Fills, the most frequent ones, that tell how well the chains mix as a whole."""


@dataclass(frozen=True)
class Imputed:
    """A text whose blanks are filled.

    Attributes:
        line: Number of the text, counted from 1.
        text: With its blanks filled.
        fills: What fills each; blanks beside each other are one.
        probability: Share of the chains' draws.
        standard_error: Of the probability; none where all draws agree, which tells of no error.
        effective_draws: Independent draws that the chains' are worth, likewise.
    """

    line: int
    text: str
    fills: tuple[str, ...]
    probability: float
    standard_error: float | None
    effective_draws: float | None

    @property
    def remark(self) -> str:
        """Say so if the standard error is rough or missing."""
        if self.effective_draws is None:
            return "all draws agree, so that no standard error can be told"
        return FEW_DRAWS if self.effective_draws < FEW else ""

    def __str__(self) -> str:
        """Show the probability with its standard error, and the text."""
        error = "none" if self.standard_error is None else f"{self.standard_error:5.3f}"
        return f"{self.probability:5.3f} ± {error:5}  {self.text}"


@dataclass(frozen=True)
class ImputedMode:
    """A text whose blanks are filled by alternating inference, which knows no probabilities.

    Attributes:
        line: Number of the text, counted from 1.
        text: With its blanks filled.
        fills: What fills each; blanks beside each other are one.
        settled: Starts from which inference came to rest here: a fill easy to come to, not a probable one. 0 where no
            start came to rest, and some were here at the end.
        starts: All starts.
    """

    line: int
    text: str
    fills: tuple[str, ...]
    settled: int
    starts: int

    @property
    def remark(self) -> str:
        """Say so if nothing settled."""
        return "" if self.settled else UNSETTLED

    def __str__(self) -> str:
        """Show how many starts settled here, and the text."""
        return f"{self.settled} of {self.starts} starts  {self.text}"


Answer = Imputed | ImputedMode


@operation
def impute(
    space: Space,
    texts: Iterable[str],
    n: PositiveInt = 1,
    *,
    words: NonNegativeInt = 1,
    method: Method = "gibbs",
    sweeps: Count = SWEEPS,
    seed: NonNegativeInt = 0,
) -> Iterator[Imputed | ImputedMode | Refused]:
    r"""Fill the blanks of texts, written ___, with what most probably stands there.

    The fills ``b`` and the code ``z`` of a text are drawn in turn given its known tokens ``k``, so that in the long run

    .. math:: (b, z) \sim p(b, z \mid k) \propto p(z) \, p(x(b, k) \mid z)

    and the share of draws with a fill is :math:`p(b \mid k)`, with a standard error from the correlation of the draws
    within and between chains that begin independently. Alternating inference takes the centre of the posterior
    and the best fill in turn instead, until nothing changes: it is faster, and says of how many starts settled on a
    fill, which is no probability.

    Args:
        space: Whose model fills the blanks.
        texts: With ___ for each blank.
        n: Number of alternatives of each text, the most frequent first; of equally frequent ones, that which the model
            holds for more probable.
        words: Tokens of each blank; 0 lets the model choose from 1 to 4.
        method: gibbs: draws with their probabilities; modes: alternating inference, with the starts that settled there.
        sweeps: Of a chain over code and blanks; there are 16 chains of a text.
        seed: Of all draws.

    Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, for alternating inference.

    Raises:
        InputError: If the model has one code a token, or sweeps are given for alternating inference.
    """
    space.require_whole_codes()
    if method == "modes" and sweeps != SWEEPS:
        raise InputError(f"sweeps is {sweeps} and method 'modes'", "give it beside the method gibbs alone")
    filled = _by_modes if method == "modes" else partial(_by_chains, sweeps=sweeps)
    unknown, said = Counter[int](), Counter[str]()

    def answer(chosen: Selection, lines: list[int]) -> Iterator[list[Answer] | Refused]:
        for line, text in zip(lines, chosen.texts(), strict=True):
            found = blanked(text, space.tokenizer, words, space.max_tokens)
            problem = _problem(found, space.max_tokens)
            if problem:
                yield Refused(line, *problem)
                continue
            unknown[line] = found.unknown
            with seeded(seed, line):
                answers = filled(space, line, Completion(space.model, found), n)
            said.update({each.remark for each in answers} - {""})
            yield answers

    def each(answers: list[Answer] | Refused) -> Iterable[Answer | Refused]:
        return answers if isinstance(answers, list) else [answers]

    answers = chain.from_iterable(map(each, space.answered(texts, answer, in_part=True)))
    return Remarked(answers, lambda: [*remarks_on_unknown(unknown.total()), *remarks_on(said)])


def _problem(found: Blanked, max_tokens: int) -> tuple[str, str] | tuple[()]:
    if not found.sizes:
        return "has no blank", "write ___ where something is missing"
    if found.shortest > max_tokens:
        return f"has {found.shortest} tokens or more when filled", f"shorten it to the model's {max_tokens}"
    return ()


def _by_chains(space: Space, line: int, completion: Completion, n: int, sweeps: int) -> list[Answer]:
    begun = math.ceil(BEGINNING * sweeps)
    drawn = completion.draws(begun + sweeps)[begun:]
    most = Counter(chain.from_iterable(drawn)).most_common(SHARED)
    of_all = effective_draws(torch.stack([_hits(fills, drawn) for fills, _ in most], dim=2))
    best = _frequent(drawn, n, completion)
    written = (_written(space, completion.text, fills) for fills in best)
    shares = (_share(_hits(fills, drawn), of_all) for fills in best)
    return [Imputed(line, text, parts, *share) for (text, parts), share in zip(written, shares, strict=True)]


def _by_modes(space: Space, line: int, completion: Completion, n: int) -> list[Answer]:
    ends, at_rest = completion.modes()
    rests = [fills for fills, rests in zip(ends, at_rest, strict=True) if rests]
    best = _frequent([rests or ends], n, completion)
    return [
        ImputedMode(line, *_written(space, completion.text, fills), rests.count(fills), len(ends)) for fills in best
    ]


def _frequent(drawn: list[list[Fills]], n: int, completion: Completion) -> list[Fills]:
    """Return the fills of the largest shares; of equal shares, those of the larger evidence."""
    counts = Counter(chain.from_iterable(drawn))
    fewest = sorted(counts.values(), reverse=True)[:n][-1]
    shown = sorted(fills for fills, count in counts.items() if count >= fewest)
    if len({counts[fills] for fills in shown}) == len(shown):
        return sorted(shown, key=lambda fills: -counts[fills])
    evidence = dict(zip(shown, completion.log_evidence(shown).tolist(), strict=True))
    return sorted(shown, key=lambda fills: (-counts[fills], -evidence[fills]))[:n]


def _written(space: Space, found: Blanked, fills: Fills) -> tuple[str, tuple[str, ...]]:
    """Return a filled text, and what fills each gap."""
    text, parts = found.written(fills, space.tokenizer)
    return text, tuple(parts)


def _hits(fills: Fills, drawn: list[list[Fills]]) -> Float[Tensor, "N M"]:
    """Return 1 where a chain had these fills after a sweep, and 0 elsewhere."""
    return torch.tensor([[each == fills for each in chains] for chains in drawn]).double()


def _share(hits: Float[Tensor, "N M"], of_all: float) -> tuple[float, float | None, float | None]:
    """Return the share of hits, its standard error and effective draws, if any can be told.

    Of a fill that came seldom its own draws say little: it is worth no more draws than all together.
    """
    share, effective = hits.mean().item(), min(effective_draws(hits), of_all)
    if math.isnan(effective):
        return share, None, None
    return share, math.sqrt(share * (1 - share) / effective), effective
