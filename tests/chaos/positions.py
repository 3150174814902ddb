"""Training is killed at one exact place and taken up again: each place of a run that has led others astray."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from latentia.recipes.runs import training_rows
from tests.chaos.children import run
from tests.chaos.report import Tally
from tests.chaos.training import PLANS, SMALL, difference, result, start, start_or_resume
from tests.chaos.watching import Note, Place, Sitting, misread

At = tuple[str, int, int]
"""An event, epochs that are done, and the batch of the next one."""

POSITIONS: dict[str, list[At]] = {
    "the first batch": [("given", 0, 1)],
    "after the first update, before any checkpoint": [("updated", 0, 1)],
    "a gradient that changed no weight yet": [("graded", 0, 3)],
    "inside a step, after its first update": [("updated", 0, 4)],
    "a checkpoint within an epoch": [("saved", 0, 4)],
    "the last batch of an epoch": [("given", 1, 0)],
    "during a validation": [("validating", 1, 0)],
    "a validation told and not saved": [("told", 1, 0)],
    "an epoch's end, saved": [("saved", 1, 0)],
    "the first batch of the next epoch": [("given", 1, 1)],
    "a step after a resume": [("updated", 1, 2), ("updated", 1, 3)],
    "twice in one epoch": [("updated", 1, 2), ("given", 2, -1)],
    "twice at one place": [("graded", 1, 3), ("graded", 1, 3)],
    "twice during one validation": [("validating", 2, 0), ("validating", 2, 0)],
    "the last step, in its update": [("updated", 3, 0)],
    "the last checkpoint": [("saved", 3, 0)],
}
"""Where runs are killed, one time after the other."""

EPOCHS = dict(SMALL)["training.epochs"]
BATCHINGS = ("EqualLength", "Mixed")
"""Of one length each, so that batches differ in size; and of any."""
EVERY = (1, 2)
"""Steps between checkpoints: a resume does over no step, or up to one."""


@dataclass(frozen=True)
class Cell:
    """A position, and the run that is killed there."""

    position: str
    plan: str
    batching: str
    every: int

    @property
    def settings(self) -> list[tuple[str, object]]:
        """Settings beside those of the plan."""
        return [("training.batching", {"kind": self.batching}), ("training.checkpoint_every", self.every)]


@dataclass(frozen=True)
class Whole:
    """A run that nobody stopped: what it leaves, its rows, and the steps of an epoch."""

    result: dict[str, object]
    records: list[tuple[str, int]]
    rows: list[int]
    each: int

    @classmethod
    def of(cls, home: Path, cell: Cell) -> Whole:
        """Train it, in this process, so that its children have what it imports."""
        folder = home / "whole"
        with Note(home / "noted").taken():
            start(home, cell.plan, folder, *cell.settings)
        rows = training_rows(folder)[1].tolist()
        sitting = Sitting.of(home / "noted")
        if wrong := misread([sitting], rows, EPOCHS):
            raise RuntimeError(wrong)
        whole = cls(result(folder), records(folder), rows, sum(epoch == 0 for epoch, _ in sitting.rows.values()))
        shutil.rmtree(folder)
        return whole


def records(folder: Path) -> list[tuple[str, int]]:
    """Kinds and steps of the records of a run, in their order."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(line["split"], line["step"]) for line in lines]


def cells(count: int) -> list[Cell]:
    """So many of them: the first few are of different positions, and of different kinds of runs."""
    kinds = [(plan, batching, every) for every in EVERY for batching in BATCHINGS for plan in PLANS]
    numbers = [(number % len(POSITIONS), number // len(POSITIONS)) for number in range(len(POSITIONS) * len(kinds))]
    return [
        Cell(list(POSITIONS)[7 * first % len(POSITIONS)], *kinds[(first + turn) % len(kinds)])
        for first, turn in numbers[:count]
    ]


def tally(home: Path, count: int) -> Iterator[Tally]:
    """Kill a run at each place, and compare what it ends with."""
    wanted = cells(count)
    wholes: dict[tuple[str, str, int], Whole] = {}
    counts = Tally("SIGKILL at an awkward place", len(wanted))
    for cell in wanted:
        group = (cell.plan, cell.batching, cell.every)
        if group not in wholes:
            wholes[group] = Whole.of(home, cell)
        wrong, fired = stopped(home, cell, wholes[group])
        counts.add(wrong and f"{cell}: {wrong}", fired=fired)
    counts.note = f"{len({cell.position for cell in wanted})} places, {len(wholes)} kinds of runs"
    yield counts


def stopped(home: Path, cell: Cell, whole: Whole) -> tuple[str, bool]:
    """Kill a run at its places and end it; say what is wrong with it, and whether it was killed at them."""
    folder, sittings, fired = home / "killed", list[Sitting](), True
    shutil.rmtree(folder, ignore_errors=True)
    places = [Place(event, epochs * whole.each + batch) for event, epochs, batch in POSITIONS[cell.position]]
    for place in [*places, None]:
        outcome = run(partial(_noted, home, cell, folder, place), folder, home)
        sittings.append(Sitting.of(home / "noted"))
        if outcome.code not in (0, -signal.SIGKILL):
            return f"exit code {outcome.code}: {outcome.said[-300:]}", fired
        killed = outcome.code == -signal.SIGKILL and sittings[-1].killed == place
        fired = fired and (killed or place is None)
    return _difference(folder, whole, sittings), fired


def _noted(home: Path, cell: Cell, folder: Path, place: Place | None) -> None:
    with Note(home / "noted", place).taken():
        start_or_resume(home, cell.plan, folder, *cell.settings)


def _difference(folder: Path, whole: Whole, sittings: list[Sitting]) -> str:
    """Say what tells a run that was stopped from one that was not."""
    if wrong := misread(sittings, whole.rows, EPOCHS) or difference(folder, whole.result):
        return wrong
    return "" if records(folder) == whole.records else "other records"
