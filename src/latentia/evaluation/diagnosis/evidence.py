"""What a verdict is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

from latentia.evaluation.measure import Result

Record = Mapping[str, Any]
Fact = tuple[str, str]

MOST_SURE = 0.999
"""Confidence is not shown above this: the thresholds are conventions, and the errors estimates."""


class Number(NamedTuple):
    """An estimate and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        """Show both."""
        return f"{self.value:.3g} ± {self.error:.2g}"

    def above(self, threshold: float) -> float:
        """Probability that the number is above a threshold, by the normal approximation.

        >>> round(Number(2.0, 0.5).above(1.0), 3)
        0.977
        """
        if self.error == 0 or math.isnan(self.error):
            return MOST_SURE if self.value > threshold else 1 - MOST_SURE
        return min(max(NormalDist(threshold, self.error).cdf(self.value), 1 - MOST_SURE), MOST_SURE)

    def below(self, threshold: float) -> float:
        """Probability that the number is below a threshold."""
        return 1 - self.above(threshold)


@dataclass(frozen=True)
class History:
    """How a run went.

    Attributes:
        records: Those of ``metrics.jsonl``, in order.
        steps: Steps taken.
        planned: Steps that the recipe asks for.
        finished: True when it ended of itself, at the last step or because nothing got better.
        passes: Epochs that the steps are.
        lines: Sequences trained on.
    """

    records: Sequence[Record]
    steps: int
    planned: int
    finished: bool
    passes: float
    lines: int

    def validations(self) -> list[Record]:
        """Return the records of validations."""
        return [record for record in self.records if "best_step" in record]


@dataclass(frozen=True)
class Evidence:
    """Everything that a verdict may look at: an evaluation with its measures, and the training."""

    evaluation: Result
    history: History

    def measured(self, measure: str) -> Result:
        """Return the numbers of a measure; empty where it does not fit the model."""
        found: Result = self.evaluation["measures"].get(measure, {})
        return {} if "not_measured" in found else found

    def number(self, measure: str, path: str) -> Number | None:
        """Return one number of a measure, if it was measured; a path as ``text.bad`` leads further down."""
        found: Any = self.measured(measure)
        for key in path.split("."):
            found = found.get(key, {})
        return number(found)


def number(estimate: Result | None) -> Number | None:
    """Read an estimate; none where there is no value."""
    if not estimate or estimate["value"] is None:
        return None
    return Number(float(estimate["value"]), float(estimate["standard_error"] or 0.0))


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a run, or worth knowing of it.

    Attributes:
        name: One word or two, for scripts.
        sentence: It in plain words.
        facts: The evidence: what was measured, and the number.
        confidence: Probability that the numbers are on this side of the thresholds; of conventions, not of the truth.
        remedy: The change most likely to help.
        reason: Why it should.
        healthy: True for what is worth knowing and no fault.
    """

    name: str
    sentence: str
    facts: tuple[Fact, ...]
    confidence: float
    remedy: str
    reason: str
    healthy: bool = False
