"""Blanks that are filled."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import torch

from latentia.data import Selection
from latentia.errors import InputError
from latentia.functional.chains import effective_draws
from latentia.operations.blanks import Blanked, Fills, blanked
from latentia.operations.completion import Completion
from latentia.operations.lines import Refused, Remarked, remarks_on_unknown
from latentia.operations.operation import operation
from latentia.operations.space import Space, seeded
from latentia.shapes import Count, NonNegativeInt, PositiveInt

Method = Literal["gibbs", "modes"]

SWEEPS = 40

BEGINNING = 0.25
"""Share of the sweeps that are not counted, in which chains come to where they belong."""


@dataclass(frozen=True)
class Imputed:
    """A text whose blanks are filled.

    Attributes:
        line: Number of the text, counted from 1.
        text: With its blanks filled.
        fills: What fills each; blanks beside each other are one.
        probability: Share of the chain's draws.
        effective_draws: Independent draws that the chain's are worth.
    """

    line: int
    text: str
    fills: tuple[str, ...]
    probability: float
    effective_draws: float

    @property
    def standard_error(self) -> float:
        """Of the probability."""
        return math.sqrt(self.probability * (1 - self.probability) / self.effective_draws)

    def __str__(self) -> str:
        """Show the probability and the text."""
        return f"{self.probability:5.3f}  {self.text}"


@dataclass(frozen=True)
class ImputedMode:
    """A text whose blanks are filled by alternating inference, which knows no probabilities.

    Attributes:
        line: Number of the text, counted from 1.
        text: With its blanks filled.
        fills: What fills each; blanks beside each other are one.
        settled: Starts from which inference came to rest here: a fill easy to come to, not a probable one.
        starts: All starts.
    """

    line: int
    text: str
    fills: tuple[str, ...]
    settled: int
    starts: int

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

    and the share of draws with a fill is :math:`p(b \mid k)`. Alternating inference takes the centre of the posterior
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
    unknown: Counter[int] = Counter()

    def answer(chosen: Selection, lines: list[int]) -> Iterator[list[Answer] | Refused]:
        for line, text in zip(lines, chosen.texts(), strict=True):
            found = blanked(text, space.tokenizer, words, space.max_tokens)
            problem = _problem(found, space.max_tokens)
            if problem:
                yield Refused(line, *problem)
                continue
            unknown[line] = found.unknown
            with seeded(seed, line):
                completion = Completion(space.model, found)
                drawn = _drawn(completion, method, sweeps)
                best = _frequent(drawn, n, completion)
            told = _settled if method == "modes" else _imputed
            yield [told(line, *_written(space, found, fills), fills, drawn) for fills in best]

    def each(answers: list[Answer] | Refused) -> Iterable[Answer | Refused]:
        return answers if isinstance(answers, list) else [answers]

    answers = chain.from_iterable(map(each, space.answered(texts, answer, in_part=True)))
    return Remarked(answers, lambda: remarks_on_unknown(unknown.total()))


def _problem(found: Blanked, max_tokens: int) -> tuple[str, str] | tuple[()]:
    if not found.sizes:
        return "has no blank", "write ___ where something is missing"
    if found.shortest > max_tokens:
        return f"has {found.shortest} tokens or more when filled", f"shorten it to the model's {max_tokens}"
    return ()


def _drawn(completion: Completion, method: Method, sweeps: int) -> list[list[Fills]]:
    """Return the fills that count, a list of chains for each sweep."""
    if method == "modes":
        return [completion.modes()]
    begun = math.ceil(BEGINNING * sweeps)
    return completion.draws(begun + sweeps)[begun:]


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
    text, parts = found.written(fills, space.tokenizer)
    return text, tuple(parts)


def _imputed(line: int, text: str, parts: tuple[str, ...], fills: Fills, drawn: list[list[Fills]]) -> Imputed:
    hits = torch.tensor([[each == fills for each in chains] for chains in drawn]).double()
    return Imputed(line, text, parts, hits.mean().item(), effective_draws(hits))


def _settled(line: int, text: str, parts: tuple[str, ...], fills: Fills, drawn: list[list[Fills]]) -> ImputedMode:
    (rests,) = drawn
    return ImputedMode(line, text, parts, rests.count(fills), len(rests))
