"""Defects of where and how a run is taken up, and leaks, put into the program on purpose: each must be seen."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

from latentia import LatentTransformer
from latentia.data.loader import Loader
from latentia.records import Batch
from latentia.training.checkpoint import Checkpoints, Progress
from latentia.training.loop import Trainer
from tests.chaos import leaks, positions

_epoch, _resume, _save, _descend, _fit = (
    Loader.epoch,
    Trainer.resume,
    Checkpoints.save,
    Trainer._descend,
    LatentTransformer.fit,
)


def _drawn_anew(self: Loader, epoch: int, start: int = 0, *others: int) -> Iterator[Batch]:
    """What is left of an epoch is that of another order."""
    return _epoch(self, epoch + 1000 * (start > 0), start, *others)


def _from_epoch_0(self: Trainer) -> None:
    """The first epoch after a resume has the order of the run's first."""
    _resume(self)
    begun = self.progress.epoch

    def epoch(loader: Loader, number: int, start: int = 0, *others: int) -> Iterator[Batch]:
        return _epoch(loader, number - begun if number >= begun else number, start, *others)

    patch.object(Loader, "epoch", epoch).start()


def _counted_from_resume(self: Trainer) -> None:
    """The position that is saved counts from the resume on, so that a second one in an epoch is led astray."""
    _resume(self)
    begun = (self.progress.epoch, self.progress.position)

    def save(checkpoints: Checkpoints, model: Any, optimizer: Any, progress: Progress) -> None:
        position = progress.position - begun[1] * (progress.epoch == begun[0])
        _save(checkpoints, model, optimizer, Progress(**{**asdict(progress), "position": position}))

    patch.object(Checkpoints, "save", save).start()


def _epoch_again(self: Trainer) -> None:
    """A run that stopped at an epoch's end begins that epoch again."""
    _resume(self)
    self.progress.epoch -= self.progress.position == 0 < self.progress.step


def _saved_within(self: Trainer, *arguments: Any) -> None:
    """A checkpoint is written between the updates of one step, and calls the step done."""
    _descend(self, *arguments)
    self._save(weights=False)


ASTRAY: dict[str, tuple[positions.Cell, Callable[[], AbstractContextManager[object]]]] = {
    "a resume that draws an epoch's order anew": (
        positions.Cell("a step after a resume", "plain", "Mixed", 1),
        lambda: patch.object(Loader, "epoch", _drawn_anew),
    ),
    "a resume that begins with the order of epoch 0": (
        positions.Cell("the first batch of the next epoch", "plain", "Mixed", 1),
        lambda: patch.object(Trainer, "resume", _from_epoch_0),
    ),
    "a position that counts from the resume on": (
        positions.Cell("twice in one epoch", "plain", "Mixed", 1),
        lambda: patch.object(Trainer, "resume", _counted_from_resume),
    ),
    "an epoch's end that repeats the epoch": (
        positions.Cell("an epoch's end, saved", "plain", "Mixed", 1),
        lambda: patch.object(Trainer, "resume", _epoch_again),
    ),
    "a checkpoint between the updates of a step": (
        positions.Cell("inside a step, after its first update", "lagging", "Mixed", 1),
        lambda: patch.object(Trainer, "_descend", _saved_within),
    ),
    "records of steps that are done over and stay": (
        positions.Cell("a validation told and not saved", "plain", "Mixed", 1),
        lambda: patch("latentia.training.observers._is_until", lambda *_: True),
    ),
}
"""The cell on which a defect shows, and the patch."""

_KEPT: list[object] = []


def _kept(self: LatentTransformer, *arguments: Any) -> LatentTransformer:
    fitted = _fit(self, *arguments)
    _KEPT.append(fitted.space_.model)
    return fitted


def _unclosed(self: LatentTransformer, *arguments: Any) -> LatentTransformer:
    os.open(os.devnull, os.O_RDONLY)
    return _fit(self, *arguments)


def _running(self: LatentTransformer, *arguments: Any) -> LatentTransformer:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return _fit(self, *arguments)


def _growing(self: LatentTransformer, *arguments: Any) -> LatentTransformer:
    _KEPT.append(b"\1" * 2**25)
    return _fit(self, *arguments)


LEAKS = {
    "a model that is kept": _kept,
    "a file that is not closed": _unclosed,
    "a thread that does not end": _running,
    "memory that is not given back": _growing,
}
CYCLES = leaks.WARM + 3


def defects(home: Path) -> Iterator[tuple[str, str]]:
    """Yield each defect, and by what it was seen; nothing if it was not."""
    wholes = dict[str, positions.Whole]()
    for name, (cell, defect) in ASTRAY.items():
        if cell.plan not in wholes:
            wholes[cell.plan] = positions.Whole.of(home, cell)
        with defect():
            yield name, positions.stopped(home, cell, wholes[cell.plan])[0]
    for name, leaking in LEAKS.items():
        with patch.object(LatentTransformer, "fit", leaking):
            yield name, next((wrong for each in leaks.tally(home, CYCLES) for wrong in each.failures), "")
