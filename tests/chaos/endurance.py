"""One long run is killed many times over: it must end as if nobody had touched it, with each record once."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import ceil
from mmap import mmap
from pathlib import Path
from typing import Any

from latentia.recipes.runs import training_rows
from latentia.training.checkpoint import Checkpoints
from tests.chaos.children import Child, Outcome
from tests.chaos.faults import CELLS, STEPPED, Fault
from tests.chaos.report import Tally
from tests.chaos.training import CLOCK, difference, result, start, start_or_resume
from tests.chaos.watching import Note, Sitting, misread

EACH = 19
"""Steps of an epoch: 37 rows, two a step."""
EVERY = 7
"""Steps between checkpoints: most training records come between two, and are told again after a kill there."""

Record = dict[str, Any]
Whole = tuple[dict[str, object], list[Record], list[int]]
"""What a run leaves that nobody stops, its records, and the rows of an epoch."""


@dataclass(frozen=True)
class Long:
    """A run of many steps.

    Attributes:
        home: Where its corpus and notes are.
        epochs: How long it is.
    """

    home: Path
    epochs: int

    @property
    def steps(self) -> int:
        """How long it is."""
        return self.epochs * EACH

    @property
    def settings(self) -> list[tuple[str, object]]:
        """Settings beside those of the plan."""
        return [
            ("training.epochs", self.epochs),
            ("training.batch_size", 2),
            ("training.batching", {"kind": "Mixed"}),
            ("training.checkpoint_every", EVERY),
            ("training.stopping.patience", 0),
        ]

    def whole(self) -> Whole:
        """Train it undisturbed, in this process."""
        folder = self.home / "whole"
        start(self.home, "plain", folder, *self.settings)
        found = result(folder), records(folder), training_rows(folder)[1].tolist()
        shutil.rmtree(folder)
        return found

    def sitting(self, folder: Path, shared: mmap, place: int) -> None:
        """Begin it or take it up, and note what it does; wait where the kill of some step is late."""
        with Note(self.home / "noted", shared=shared, late=place + 5).taken():
            start_or_resume(self.home, "plain", folder, *self.settings)


def tally(home: Path, steps: int, kills: int, seed: int) -> Iterator[Tally]:
    """Kill a run so often, at times spread over it, and take it up each time."""
    long, folder, generator = Long(home, ceil(steps / EACH)), home / "killed", random.Random(seed)
    shutil.rmtree(folder, ignore_errors=True)
    whole, sittings, fired = long.whole(), list[Sitting](), list[bool]()
    for number in range(kills + 1):
        place = round((number + generator.uniform(0.1, 0.5)) * long.steps / kills)
        outcome = _sat(long, folder, place, generator.uniform(0.0, 0.01))
        sittings.append(Sitting.of(home / "noted"))
        fired.append(outcome.code == -signal.SIGKILL and place <= max(sittings[-1].rows, default=0))
    counts = Tally("SIGKILL, over and over in one run", kills)
    last = f"exit code {outcome.code}: {outcome.said[-300:]}" if outcome.code else ""
    wrong = last or _difference(long, folder, whole, sittings)
    for each in fired[:kills]:
        counts.add(wrong, fired=each)
    again = sum(len(each.rows) for each in sittings) - long.steps
    counts.note = f"{long.steps:,} steps, {again} of them done over"
    yield counts


def _difference(long: Long, folder: Path, whole: Whole, sittings: list[Sitting]) -> str:
    """Say what tells the run from one that nobody stopped."""
    expected, told, rows = whole
    last = Checkpoints(folder).newest().step
    if last != long.steps:
        return f"it ended after step {last}, and not {long.steps}"
    if wrong := misread(sittings, rows, long.epochs) or difference(folder, expected):
        return wrong
    return miscounted(records(folder), told, [next(iter(each.rows), 1) for each in sittings])


def _sat(long: Long, folder: Path, place: int, after: float) -> Outcome:
    """Train until some time after a step was begun, and then be killed; to the end where there is no such step."""
    shared = mmap(-1, CELLS)
    child = Child(partial(long.sitting, folder, shared, place), folder, Fault(), long.home, shared=shared)
    while child.count(STEPPED) < place and not child.ended():
        time.sleep(0.002)
    time.sleep(after)
    child.send()
    return child.wait()


def records(folder: Path) -> list[Record]:
    """Return the records of a run, without what the clock told."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in CLOCK} for line in lines]


def miscounted(found: list[Record], expected: list[Record], begun: list[int]) -> str:
    """Say which record is there twice, lacks or is another.

    A training record may be another where its steps were: a run that was taken up at a step between the record before
    it and its own averages from there on. ``begun`` has the first step of each sitting.
    """
    places = [[(line["split"], line["step"]) for line in lines] for lines in (found, expected)]
    if places[0] != places[1]:
        return f"{len(places[0])} records and not {len(places[1])}, or of other steps"
    for (before, _), (now, whole) in pairwise([({"step": 0}, {}), *zip(found, expected, strict=True)]):
        sitting = max(first for first in begun if first <= now["step"])
        shortened = now["split"] == "train" and before["step"] + 1 < sitting
        if now != whole and not shortened:
            return f"the {now['split']} record of step {now['step']} is another"
    return ""
