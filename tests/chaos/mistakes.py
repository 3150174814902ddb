"""Other defects put into the program on purpose: of signals, locks, losses, loaders and readers."""

from __future__ import annotations

import ctypes
import io
import json
import math
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from latentia.data import Corpus
from latentia.data.reading import READERS
from latentia.durable import Manifest
from latentia.errors import StorageError
from latentia.records import Batch
from latentia.training.alarm import Alarm
from latentia.training.finiteness import Guard
from latentia.training.interruption import Interruption, Watchdog, interruption
from latentia.training.loop import Trainer, _Window
from tests.chaos import bombs, defects, headers, hostile, kills, leaps, native, terminals
from tests.chaos.corpora import stepped
from tests.chaos.damage import flips
from tests.chaos.files import files_of
from tests.chaos.numbers import poisoned
from tests.chaos.sharing import rounds


def _nothing(*_: object, **__: object) -> None:
    """Do nothing."""


def _deaf(home: Path) -> str:
    """Runs that do not heed a signal go on to their end."""
    with patch.object(Interruption, "note", _nothing):
        return next((tally.failures[0] for tally in kills.signals(home, 1, seed=1) if tally.failures), "")


def _heedless(home: Path) -> str:
    """Any signal ends a run at once, and nothing is saved."""

    def note(self: Interruption, number: int, _frame: object) -> None:
        self.number = self.number or number
        raise KeyboardInterrupt

    with patch.object(Interruption, "note", note):
        return _asked(home)


def _untrue(home: Path) -> str:
    """A run calls itself saved after a signal, and wrote nothing."""
    save = Trainer._save

    def lazy(self: Trainer, weights: bool) -> None:
        with interruption() as asked:
            if not asked.number:
                save(self, weights)

    with patch.object(Trainer, "_save", lazy):
        return _asked(home)


def _waiting(home: Path) -> str:
    """A signal is heard when native code has returned, and not before."""
    with patch.object(Watchdog, "_is_overdue", lambda _: False):
        return next((wrong for counts in native.tally(home, 1, 1, patience=3.0) for wrong in counts.failures), "")


def _asked(home: Path) -> str:
    """Ask runs to stop, each once."""
    return next((wrong for tally in kills.signals(home, 6, seed=1) for wrong in tally.failures), "")


def _unlocked(home: Path) -> str:
    """Two processes begin a run in one folder, and none is refused."""

    @contextmanager
    def no_lock(_: Path) -> Iterator[None]:
        yield

    with patch("latentia.recipes.folders.locked", no_lock), patch("tests.chaos.sharing.TRIES", 1):
        # the first wrong round ends it; on a busy machine processes meet in few
        return next((wrong for wrong, _ in rounds(home, 60, random.Random(1)) if wrong), "")


def _unchecked_loss(home: Path) -> str:
    """A loss that is not finite is followed."""
    with patch.object(Guard, "before", _nothing):
        return poisoned(home, step=4)[0]


def _unpickling(home: Path) -> str:
    """Weights that are no safetensors file are opened as an archive of torch."""
    canary, victims = home.parent.parent / "canary", hostile._victims(home)  # whose shell would split a space

    def parse(content: bytes, _: Path) -> dict[str, torch.Tensor]:
        return torch.load(io.BytesIO(content), weights_only=False)  # noqa: TID251 - the defect

    attack = next(each for each in hostile.attacks(canary) if each[0] == "a torch archive as model.safetensors")
    with patch("latentia.training.weights.parse_tensors", parse):
        return hostile.opened(home, attack, victims["folder"], canary)[0]


def _unalarmed(home: Path) -> str:
    """Nobody compares the KL with that of the steps before."""
    with patch.object(Alarm, "after", lambda *_: []):
        return leaps.leapt(home, "plain", 40)[0]


def _smoothed(home: Path) -> str:
    """A record leaves out what is not finite."""
    averages = _Window.averages

    def finite(self: _Window) -> dict[str, float]:
        return {name: value if math.isfinite(value) else 0.0 for name, value in averages(self).items()}

    with patch.object(_Window, "averages", finite):
        return next((wrong for wrong, _ in leaps.poisoned(home, random.Random(1)) if wrong), "")


def _unbounded(home: Path) -> str:
    """A reader of gzip reads on, however much comes."""
    with patch("latentia.data.sources.EXPANSION_RATIO", math.inf):
        told: str = bombs.met(home, bombs.BOMBS["zeros"], 1)["wrong"]
    return told


def _obeyed(home: Path) -> str:
    """A command sends to a terminal whatever a text holds."""
    terminals.prepared(home)
    with patch("latentia.cli.console.CONTROLS", re.compile("(?!)")):
        return terminals.shown(home, terminals.COMMANDS["samples"])[0]


def _following(home: Path) -> str:
    """A loader follows the offsets of a header, wherever they lead."""

    def parse(content: bytes, _: Path) -> dict[str, torch.Tensor]:
        begin = 8 + int.from_bytes(content[:8], "little")
        data = ctypes.addressof(ctypes.create_string_buffer(content[begin:]))
        found = {name: entry["data_offsets"] for name, entry in json.loads(content[8:begin]).items()}
        return {
            name: torch.tensor([*ctypes.string_at(data + first, last - first)]) for name, (first, last) in found.items()
        }

    with patch("latentia.training.weights.parse_tensors", parse):
        return next((wrong for wrong in headers.alone(home, 60, 1).failures if "exit code -11" in wrong), "")


def _mistaken(home: Path) -> str:
    """Another batch is kept than the one whose loss is not finite."""
    keep = Guard._keep

    def other(self: Guard, corpus: Corpus, batch: Batch, *others: Any) -> Path:
        return keep(self, corpus, replace(batch, index=batch.index.roll(1)), *others)

    with patch.object(Guard, "_keep", other):
        return poisoned(home, step=4, plan="lagging", nth=2)[0]


def _unverified(home: Path) -> str:
    """A loader takes a file for what it is, whatever its manifest says."""
    with patch.object(Manifest, "fits", lambda *_: True):
        return next((wrong for wrong, _ in flips(home, 300, random.Random(1)) if wrong), "")


def _dropping(kind: str, home: Path) -> str:
    """A reader drops the second line of each file and counts it nowhere."""
    read = READERS[kind]

    def dropped(*arguments: Any) -> Iterator[Any]:
        return (row for number, row in enumerate(read(*arguments)) if number != 1)

    with patch.dict(READERS, {kind: dropped}):
        return next(iter(stepped(home, 20, 1, files_of(kind)).failures), "")


def _hesitant(home: Path) -> str:
    """A resume fails once, and does not the next time."""
    original, tried, folder = Trainer.resume, home / "tried", defects._stopped(home, "plain")

    def resume(self: Trainer) -> None:
        if not tried.exists():
            tried.touch()
            raise StorageError("the disk is busy", "try again")
        original(self)

    with patch.object(Trainer, "resume", resume):
        return kills._finish(home, "plain", folder)


class _Late(random.Random):
    """Chooses kills at times at which a run has ended."""

    def choice(self, _: object) -> str:
        return "timed"

    def uniform(self, _: float, longest: float) -> float:
        return 3 * longest


def _crashing(home: Path) -> str:
    """A run ends with an error of no type before it is killed, and goes on when it is restarted."""
    original = Trainer._step

    def step(self: Trainer, *arguments: Any) -> None:
        original(self, *arguments)
        if self.progress.step == 5:
            raise RuntimeError("a crash")

    whole = kills._Whole.of(home, "plain")
    with patch.object(Trainer, "_step", step):
        felt = list(kills._disturbances(home, "plain", home / "killed", whole, _Late(1)))
    return next((each.wrong for each in felt if each.wrong), "")


OTHERS: dict[str, Callable[[Path], str]] = {
    **{f"a reader of {kind} that drops a line": partial(_dropping, kind) for kind in READERS if kind != "hub"},
    "a loader that skips the manifest": _unverified,
    "a run that does not heed signals": _deaf,
    "a signal that ends a run at once, unsaved": _heedless,
    "a run that says saved and is not": _untrue,
    "a signal that waits for native code": _waiting,
    "a resume that fails at the first try": _hesitant,
    "a run that crashes before its kill comes": _crashing,
    "a folder without a lock": _unlocked,
    "a loader that unpickles weights": _unpickling,
    "a loop that does not tell a leap of the KL": _unalarmed,
    "a record that hides what is not finite": _smoothed,
    "a reader that expands without end": _unbounded,
    "a command that sends a terminal what it obeys": _obeyed,
    "a loader that follows any offset": _following,
    "a loop that keeps another batch": _mistaken,
    "a loop that follows any loss": _unchecked_loss,
}


def others(home: Path) -> Iterator[tuple[str, str]]:
    """Yield each other defect, and by what it was seen; nothing if it was not."""
    for number, (name, seen) in enumerate(OTHERS.items()):
        place = home / f"others {number}"
        place.mkdir()
        yield name, seen(place)
