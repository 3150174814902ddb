"""What ``latentia diagnose`` found, as a report shows it."""

from __future__ import annotations

from collections.abc import Sequence

from latentia.evaluation.diagnosis import Verdict
from latentia.reports.gather import RunView
from latentia.reports.page import Verdict as Told

GOOD, NOTE, FAULT = "good", "worth knowing", "wrong"


def diagnosed(runs: Sequence[RunView]) -> list[Told]:
    """Return the verdicts on all runs that were diagnosed, each with its run where there are several."""
    return [
        (state, f"{run.name}: {sentence}" if len(runs) > 1 else sentence, evidence)
        for run in runs
        if run.diagnosed
        for state, sentence, evidence in _of_one(run.verdicts)
    ]


def _of_one(verdicts: Sequence[Verdict]) -> list[Told]:
    """Faults first; where there is none, that is said."""
    faults = [each for each in verdicts if not each.healthy]
    notes = [each for each in verdicts if each.healthy]
    told: list[Told] = [(FAULT, each.sentence, _evidence(each)) for each in faults]
    if not faults:
        told = [(GOOD, "no fault was found", "latentia diagnose")]
    return [*told, *((NOTE, each.sentence, _evidence(each)) for each in notes)]


def _evidence(verdict: Verdict) -> str:
    """The facts, how sure they are, and what may help."""
    facts = "; ".join(f"{fact}: {value}" for fact, value in verdict.facts)
    return f"{facts} ({verdict.confidence:.1%} sure). What may help: {verdict.remedy}"
