"""A run folder to verdicts."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from latentia.durable import write_atomically
from latentia.evaluation.diagnosis import MEASURES, Evidence, Verdict, diagnose
from latentia.recipes.measure import Texts, examined, measured, measures_of
from latentia.recipes.runs import history_of

SAMPLES, SEQUENCES = 5, 1000
"""Draws of the likelihood; held-out sequences that are looked at, chosen by the seed."""


def diagnose_run(folder: Path, texts: Texts, seed: int, console: Console) -> list[Verdict]:
    """Measure what the verdicts look at, and write them, with the numbers, to ``diagnosis.json``.

    Args:
        folder: The run.
        texts: What to measure on.
        seed: Of all noise, and of the choice of sequences.
        console: Where to show progress.
    """
    with examined(folder, texts, seed, console) as (subject, _):
        some = replace(subject, held_out=subject.held_out.shuffled(seed).first(SEQUENCES))
        evaluation = measured(some, (SAMPLES, 1), measures_of(MEASURES), console)
    verdicts = diagnose(Evidence(evaluation, history_of(folder)))
    content = {"verdicts": [asdict(verdict) for verdict in verdicts], "seed": seed, "evaluation": evaluation}
    write_atomically(folder / "diagnosis.json", json.dumps(content, indent=1, allow_nan=False).encode())
    return verdicts
