"""What a run does, noted from outside it: the batches that it takes, what it saves, and where it is killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from latentia.records import Batch
from latentia.training import loop
from latentia.training.checkpoint import Checkpoints
from latentia.training.finiteness import Guard
from latentia.training.interruption import Interruption
from latentia.training.loop import Trainer
from latentia.training.observers import Watch
from tests.chaos.faults import STEPPED, set_count

EVENTS = ("given", "graded", "updated", "validating", "told", "saved")
"""A batch is given to a step; its gradient is there and changed no weight yet; its first update is made; a validation
has measured its first batch; its record is written; a checkpoint is committed."""


@dataclass(frozen=True)
class Place:
    """Where a run is killed.

    Attributes:
        event: One of ``EVENTS``.
        step: The step, counted from 1.
    """

    event: str
    step: int


class Note:
    """Notes one sitting of a run, in a file, and ends the process at a place."""

    def __init__(self, log: Path, place: Place | None = None, shared: Any = None, late: int = 0) -> None:
        """Take the file, the place, where the step under way is told, and a step from which a kill is waited for."""
        self.late = late
        self.descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        self.place, self.shared = place, shared

    def event(self, event: str, step: int, **more: object) -> None:
        """Note an event, and end the process if it is its place."""
        here = self.place == Place(event, step)
        if more or event in ("saving", "saved") or here:
            line = json.dumps({"event": event, "step": step, **more, "killed": here})
            os.write(self.descriptor, f"{line}\n".encode())
        if here:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Note whatever is trained meanwhile."""
        with ExitStack() as patches:
            for owner, name, event, step_of in _HOOKS:
                patches.enter_context(patch.object(owner, name, self._hooked(getattr(owner, name), event, step_of)))
            patches.enter_context(patch.object(Trainer, "_batches", self._batches(Trainer._batches)))
            patches.enter_context(patch.object(loop, "validate", self._validate(loop.validate)))
            try:
                yield
            finally:
                os.close(self.descriptor)

    def _hooked(self, real: Callable[..., Any], event: str, step_of: Callable[..., int]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if event in _BEFORE:
                self.event(_BEFORE[event], step_of(*arguments))
            result = real(*arguments, **options)
            if event != "graded":
                self.event(event, step_of(*arguments))
            return result

        return call

    def _batches(self, real: Callable[..., Iterator[Batch]]) -> Callable[..., Iterator[Batch]]:
        def batches(trainer: Trainer, asked: Interruption) -> Iterator[Batch]:
            for batch in real(trainer, asked):
                progress = trainer.progress
                epoch = progress.epoch - (progress.position == 0)
                self.event("given", progress.step, epoch=epoch, rows=batch.index.tolist())
                self._tell(progress.step)
                yield batch

        return batches

    def _tell(self, step: int) -> None:
        """Tell the parent the step under way; wait for it where its kill is late."""
        if self.shared is not None:
            set_count(self.shared, STEPPED, step)
            if step >= self.late:
                time.sleep(0.05)

    def _validate(self, real: Callable[..., dict[str, float]]) -> Callable[..., dict[str, float]]:
        def validate(model: Any, objective: Any, batches: Iterable[Batch], step: int, seed: int) -> dict[str, float]:
            return real(model, objective, self._asked(batches, step), step, seed)

        return validate

    def _asked(self, batches: Iterable[Batch], step: int) -> Iterator[Batch]:
        for number, batch in enumerate(batches):
            yield batch
            if number == 0:
                self.event("validating", step)


_HOOKS: tuple[tuple[Any, str, str, Callable[..., int]], ...] = (
    (Guard, "before", "graded", lambda guard, optimizer, update, corpus: update[0] + 1),
    (Trainer, "_descend", "updated", lambda trainer, *_: trainer.progress.step),
    (Watch, "validation", "told", lambda watch, record: record["step"]),
    (Checkpoints, "save", "saved", lambda checkpoints, model, optimizer, progress: progress.step),
)
"""Functions of the package, the event that each is, and its step."""

_BEFORE = {"graded": "graded", "saved": "saving"}
"""What is noted before a function is called: a kill can fall between what it does and a note after it."""


@dataclass
class Sitting:
    """What one process did of a run.

    Attributes:
        rows: Of each step that it began: the epoch, and the rows of its batch.
        saved: Steps after which it committed a checkpoint.
        saving: Step whose checkpoint was begun, with nothing noted since: the kill fell before or after its commit.
        killed: Where it was killed; nothing if it was not, at a place that it knew.
    """

    rows: dict[int, tuple[int, list[int]]] = field(default_factory=dict)
    saved: list[int] = field(default_factory=list)
    saving: int | None = None
    killed: Place | None = None

    @classmethod
    def of(cls, log: Path) -> Sitting:
        """Read what was noted, but for a line that a kill tore."""
        sitting = cls()
        for line in log.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                sitting._hear(json.loads(line))
        return sitting

    def _hear(self, noted: dict[str, Any]) -> None:
        if noted["event"] == "given":
            self.rows[noted["step"]] = noted["epoch"], noted["rows"]
        self.saving = noted["step"] if noted["event"] == "saving" else None
        if noted["event"] == "saved":
            self.saved.append(noted["step"])
        if noted["killed"]:
            self.killed = Place(noted["event"], noted["step"])


def misread(sittings: list[Sitting], all_rows: list[int], epochs: int) -> str:
    """Say what is wrong with the batches of a run: each row has to be in each epoch once, whatever was done over.

    A sitting that is taken up goes on after the last step that was saved. What an earlier one did after that is done
    over, and has to be the same. Where a kill fell into a save, the next steps tell whether it was committed.
    """
    rows: dict[int, tuple[int, list[int]]] = {}
    saved, saving = 0, None
    for sitting in sittings:
        steps = list(sitting.rows)
        if saving is not None and steps[:1] == [saving + 1]:
            saved = saving
        if steps != list(range(saved + 1, saved + 1 + len(steps))):
            return f"after step {saved} was saved, steps {steps[:3]}... were taken"
        if other := [step for step in steps if rows.get(step, sitting.rows[step]) != sitting.rows[step]]:
            return f"step {other[0]} was done over with other rows"
        rows.update(sitting.rows)
        saved = max([saved, *sitting.saved])
        saving = sitting.saving if steps else saving
    return _uneven(rows, all_rows, epochs)


def _uneven(rows: dict[int, tuple[int, list[int]]], all_rows: list[int], epochs: int) -> str:
    for epoch in range(epochs):
        seen = sorted(row for of, batch in rows.values() if of == epoch for row in batch)
        if seen != sorted(all_rows):
            twice, never = len(seen) - len({*seen}), len({*all_rows} - {*seen})
            return f"epoch {epoch}: {twice} rows twice, {never} never"
    return "" if {of for of, _ in rows.values()} == {*range(epochs)} else "other epochs than are asked for"
