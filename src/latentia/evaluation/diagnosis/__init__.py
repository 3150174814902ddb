"""Verdicts on a run in plain words, each with its evidence: one function a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from latentia.evaluation.diagnosis import space, training
from latentia.evaluation.diagnosis.evidence import Evidence, History, Number, Verdict

__all__ = ["MEASURES", "Evidence", "History", "Number", "Verdict", "diagnose"]

Rule = Callable[[Evidence], Verdict | None]

COLLAPSE = (space.collapsed,)
USED = (space.ignored, space.vanishing_variance, space.holes)
TRAINED = (training.under_trained, training.too_little_data, training.over_regularised)
SPENT = (space.partly_collapsed, space.dominated, space.labels_lost)
"""Rules, the gravest first. Of a code that says nothing there is no use to say how it is used or spent."""

MEASURES = ("CodeUse", "Dominance", "Generalisation", "Holes", "Information", "Representation")
"""What the rules read beside the numbers that every evaluation has."""


def diagnose(evidence: Evidence) -> list[Verdict]:
    """Return what is wrong, the gravest first, and then what is worth knowing; nothing for a run without fault."""
    trouble, collapse = _found((training.numerical_trouble,), evidence), _found(COLLAPSE, evidence)
    used, spent = ([], []) if collapse else (_found(USED, evidence), _found(SPENT, evidence))
    of_text = _found(TRAINED, evidence), _found((space.labels_unrelated,), evidence)
    found = [*trouble, *collapse, *used, *of_text[0], *spent, *of_text[1]]
    return sorted(found, key=lambda verdict: verdict.healthy)


def _found(rules: Sequence[Rule], evidence: Evidence) -> list[Verdict]:
    return [verdict for rule in rules if (verdict := rule(evidence)) is not None]
