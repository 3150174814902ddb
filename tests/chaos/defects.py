"""Defects put into the program on purpose, to see that the harness sees them.

Each is a patch of the package in a child process, or for a while in this one.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from latentia.durable import Entry, Manifest, entry_of, sync, writing
from latentia.recipes.runs import resume_run
from latentia.training import checkpoint
from latentia.training.checkpoint import Checkpoints, Progress
from latentia.training.loop import Trainer
from tests.chaos import saving
from tests.chaos.children import run
from tests.chaos.training import QUIET, difference, start, uninterrupted

Patch = Callable[[], Any]

STOP_AT = 9
"""Step at which a run is stopped before a defective one takes it up; inside the second epoch."""


def _restored(change: Callable[[Trainer], None]) -> Patch:
    """Change a trainer after it was restored."""
    original = Trainer.resume

    def resume(self: Trainer) -> None:
        original(self)
        change(self)

    return partial(patch.object, Trainer, "resume", resume)


def _forget(**changes: Any) -> Patch:
    def change(trainer: Trainer) -> None:
        for name, value in changes.items():
            setattr(trainer.progress, name, value)

    return _restored(change)


def _noise(trainer: Trainer) -> None:
    begun = trainer.progress.step
    trainer._seed = lambda number: torch.manual_seed(trainer.step - begun + number)


def _rate(trainer: Trainer) -> None:
    begun, rate = trainer.progress.step, trainer.settings.optimizer.rate
    factor = rate.factor
    rate.factor = lambda step, total: factor(step - begun, total)


def _weight(trainer: Trainer) -> None:
    begun, weight_at = trainer.progress.step, trainer.objective.weight_at
    trainer.objective.weight_at = lambda step: weight_at(step - begun)


def _plan(trainer: Trainer) -> None:
    trainer.settings.plan.memory = {}


RESUMING: dict[str, tuple[str, Patch]] = {
    "forgets the random numbers": ("plain", _restored(_noise)),
    "forgets the learning rate's schedule": ("plain", _restored(_rate)),
    "forgets the KL weight's schedule": ("plain", _restored(_weight)),
    "forgets the position in the epoch": ("plain", _forget(position=0)),
    "forgets the epoch": ("plain", _forget(epoch=0)),
    "forgets the optimiser's moments": ("plain", _restored(lambda trainer: trainer.optimizer.optimizer.state.clear())),
    "forgets the best validation": ("critic first", _forget(best=float("inf"), best_step=0, waited=0)),
    "forgets the plan's memory": ("lagging", _restored(_plan)),
    "forgets a validation that is due": ("due", _forget(due=False)),
}
"""What a resume does wrong: the plan on which it shows, and the patch."""


def resuming(home: Path) -> Iterator[tuple[str, str]]:
    """Yield each defect of a resume, and by what it was seen; nothing if it was not."""
    stopped = {}
    for plan in {plan for plan, _ in RESUMING.values()}:
        stopped[plan] = (_stopped(home, plan), uninterrupted(home, "plain" if plan == "due" else plan))
    for name, (plan, defect) in RESUMING.items():
        source, expected = stopped[plan]
        folder = home / "defective"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)

        def work(defect: Patch = defect, folder: Path = folder) -> None:
            with defect():
                resume_run(folder, QUIET)

        outcome = run(work, folder, home)
        yield name, f"exit code {outcome.code}" if outcome.code else difference(folder, expected)


def _stopped(home: Path, plan: str) -> Path:
    """A run that was stopped by a signal; ``due`` is one that was stopped at the end of an epoch."""
    folder = home / f"stopped {plan}"
    at, original = (6 if plan == "due" else STOP_AT), Trainer._step

    def step_and_stop(self: Trainer, *arguments: object) -> None:
        original(self, *arguments)
        if self.progress.step == at:
            os.kill(os.getpid(), signal.SIGTERM)

    def work() -> None:
        with patch.object(Trainer, "_step", step_and_stop):
            start(home, "plain" if plan == "due" else plan, folder)

    outcome = run(work, folder, home)
    if outcome.code:
        raise RuntimeError(outcome.said)
    return folder


# What a save does wrong.


def _in_place(path: Path, content: bytes) -> Entry:
    path.unlink(missing_ok=True)
    entry = writing.write_new(path, content)
    sync(path.parent)
    return entry


def _new_unsynced(path: Path, content: bytes) -> Entry:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.write(descriptor, content)
    os.close(descriptor)
    return entry_of(content)


def _sync_after(path: Path, content: bytes) -> Entry:
    temporary = path.with_name(f".{path.name}.tmp")
    _new_unsynced(temporary, content)
    os.replace(temporary, path)
    sync(path)
    sync(path.parent)
    return entry_of(content)


def _replace_first(folder: Path, name: str, content: bytes) -> None:
    manifest = writing_manifest(folder)
    writing.write_atomically(folder / name, content)
    writing.write_atomically(folder / "manifest.json", Manifest({**manifest.files, name: entry_of(content)}).encode())


def writing_manifest(folder: Path) -> Manifest:
    """Read the manifest that is there."""
    manifest = checkpoint.read_manifest(folder)
    if manifest is None:
        raise RuntimeError(f"{folder} has no manifest")
    return manifest


def _committed_first(self: Checkpoints, model: Any, optimizer: Any, progress: Progress) -> None:
    target = self.folder / f"step-{progress.step:08d}"
    target.mkdir(parents=True)
    contents = {
        "model.safetensors": checkpoint.save(checkpoint.tensors_of(model)),
        "optimizer.safetensors": checkpoint.save(checkpoint._moments_of(optimizer)),
        "state.json": checkpoint._json({"progress": vars(progress)}),
    }
    checkpoint._fill(target, contents)
    self._prune()


def _committed_unsynced(temporary: Path, target: Path) -> None:
    os.rename(temporary, target)
    sync(target.parent)


def _made_unsynced(path: Path) -> None:
    with writing.stored(path):
        os.makedirs(path, exist_ok=True)


_save = Checkpoints.save


def _prune_first(self: Checkpoints, *arguments: Any) -> None:
    for folder in self._found():
        shutil.rmtree(folder)
    _save(self, *arguments)


@contextmanager
def _forgiving(*_: object) -> Iterator[None]:
    try:
        yield
    except OSError:
        return


def _everywhere(name: str, replacement: Any) -> Patch:
    """Replace a function of durable work in every module that uses it."""
    modules = [writing, checkpoint, __import__("latentia.durable.manifest", fromlist=["manifest"])]

    @contextmanager
    def replaced() -> Iterator[None]:
        before = [(module, getattr(module, name)) for module in modules if hasattr(module, name)]
        for module, _ in before:
            setattr(module, name, replacement)
        try:
            yield
        finally:
            for module, original in before:
                setattr(module, name, original)

    return replaced


SAVING: dict[str, Patch] = {
    "a file without the rename": _everywhere("write_atomically", _in_place),
    "a checkpoint without the rename": lambda: patch.object(Checkpoints, "save", _committed_first),
    "without syncing files": _everywhere("write_new", _new_unsynced),
    "syncing a file after its rename": _everywhere("write_atomically", _sync_after),
    "a record of a validation without syncing it": lambda: patch(
        "latentia.training.observers.append_line", lambda path, line, durable: writing.append_line(path, line)
    ),
    "without syncing folders": _everywhere("sync", lambda _: None),
    "committing a folder without syncing it": _everywhere("commit_folder", _committed_unsynced),
    "making a folder without syncing the one above": _everywhere("make_folder", _made_unsynced),
    "weights before the manifest that names them": lambda: patch(
        "latentia.training.weights.replace_vouched", _replace_first
    ),
    "removing old checkpoints first": lambda: patch.object(Checkpoints, "save", _prune_first),
    "passing over errors of the disk": _everywhere("stored", _forgiving),
}
"""What a save does wrong."""


def saves(home: Path) -> Iterator[tuple[str, str]]:
    """Yield each defect of a save, and by what it was seen; nothing if it was not."""
    for number, (name, defect) in enumerate(SAVING.items()):
        place = home / f"saving {number}"
        place.mkdir()
        sources = [saving.template(place / "template"), saving.first_template(place / "first template")]
        with defect():
            swept = chain.from_iterable(saving.sweep(place, each, 1.0, kinds=saving.TELLING) for each in sources)
            yield name, _short(next((wrong for _, wrong, _ in swept if wrong), ""))


def _short(text: str) -> str:
    return text.split(": ")[0] if text else ""
