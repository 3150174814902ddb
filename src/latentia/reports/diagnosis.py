"""What ``latentia diagnose`` found, as a report shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from latentia.reports.gather import RunView
from latentia.reports.page import Verdict

GOOD, NOTE, FAULT = "good", "worth knowing", "wrong"


def diagnosed(runs: Sequence[RunView]) -> list[Verdict]:
    """Return the verdicts on all runs that were diagnosed, each with its run where there are several."""
    return [
        (state, f"{run.name}: {sentence}" if len(runs) > 1 else sentence, evidence)
        for run in runs
        if "verdicts" in run.diagnosis
        for state, sentence, evidence in _of_one(run.diagnosis["verdicts"])
    ]


def _of_one(verdicts: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """Faults first; where there is none, that is said."""
    faults = [each for each in verdicts if not each.get("healthy")]
    notes = [each for each in verdicts if each.get("healthy")]
    told: list[Verdict] = [(FAULT, each["sentence"], _evidence(each)) for each in faults]
    if not faults:
        told = [(GOOD, "no fault was found", "latentia diagnose")]
    return [*told, *((NOTE, each["sentence"], _evidence(each)) for each in notes)]


def _evidence(verdict: Mapping[str, Any]) -> str:
    """The facts, how sure they are, and what may help."""
    facts = "; ".join(f"{fact}: {value}" for fact, value in verdict.get("facts", ()))
    sure = f" ({verdict['confidence']:.0%} sure)" if "confidence" in verdict else ""
    help_ = f". What may help: {verdict['remedy']}" if verdict.get("remedy") else ""
    return f"{facts}{sure}{help_}"
