"""Defects of what stands between a run and its disk, memory and clock, to see that the harness sees them."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from latentia.durable import MANIFEST, Manifest, entry_of, replace_vouched
from latentia.recipes import runs
from latentia.training import checkpoint, weights
from latentia.training.checkpoint import Checkpoints
from tests.chaos import clock, full, mapped, memory, rotation, unread
from tests.chaos.defects import writing_manifest
from tests.chaos.report import Tally

Look = Callable[[Path], Iterator[Tally]]


def _unread(home: Path) -> Iterator[Tally]:
    yield unread._never(home, 0.3, random.Random(1))


def _memory(home: Path) -> Iterator[Tally]:
    yield from memory.tally(home, 1)


def _rotation(home: Path) -> Iterator[Tally]:
    yield from rotation.tally(home, 20, 1)


def _by_name_alone(self: Checkpoints) -> None:
    for old in self._found()[checkpoint.KEPT :]:
        shutil.rmtree(old)


_found = Checkpoints._found


def _by_age(self: Checkpoints) -> list[Path]:
    return sorted(_found(self), key=os.path.getmtime, reverse=True)


def _in_place(folder: Path, name: str, content: bytes) -> None:
    if (folder / name).exists():
        (folder / name).write_bytes(content)
        known = writing_manifest(folder).files
        (folder / MANIFEST).write_bytes(Manifest({**known, name: entry_of(content)}).encode())
    else:
        replace_vouched(folder, name, content)


def _mapped(home: Path) -> Iterator[Tally]:
    yield from mapped.tally(home, 1)


def _clock(home: Path) -> Iterator[Tally]:
    yield from clock.tally(home, 6, 1)


def _full(home: Path) -> Iterator[Tally]:
    yield from full.tally(home, 1, 1)


def _without(module: Any, name: str, replacement: Any) -> Callable[[], Any]:
    return partial(patch.object, module, name, replacement)


DEFECTS: dict[str, tuple[Callable[[], Any], Look]] = {
    "a save that leaves what did not fit": (_without(checkpoint, "sweep", lambda _: None), _full),
    "a run that asks for no room first": (_without(runs, "require_room_to_train", lambda *_: None), _full),
    "an error that says no way on": (
        partial(patch.object, checkpoint, "with_a_way_on", lambda error, *_: error),
        _unread,
    ),
    "checkpoints chosen by the ages of files": (_without(Checkpoints, "_found", _by_age), _clock),
    "weights written in their place": (_without(weights, "replace_vouched", _in_place), _mapped),
    "a rotation by names alone": (_without(Checkpoints, "_prune", _by_name_alone), _rotation),
    "a full memory that is no error of the package": (
        partial(patch.object, runs, "within_memory", nullcontext),
        _memory,
    ),
}
"""What is done wrong, and the class that must fail for it."""

DUDS: dict[str, tuple[Callable[[], Any], Look]] = {
    "a disk that is not full": (_without(full, "fill", lambda *_: None), _full),
    "histories in which nothing is removed": (_without(Checkpoints, "_prune", lambda _: None), _rotation),
    "a memory that has no limit": (_without(memory, "limit", lambda _: None), _memory),
}
"""What does not happen, and the class that must fail for it."""


def seen(home: Path) -> Iterator[tuple[str, str]]:
    """Yield each, and by what it was seen; nothing if it was not."""
    for name, (defect, look) in {**DEFECTS, **DUDS}.items():
        place = home / look.__name__  # what they begin with is made once
        place.mkdir(exist_ok=True)
        if look is _full and not full.can_mount(place):
            yield name, "skipped, as no file system can be mounted here"
            continue
        with defect():
            tallies = list(look(place))
        failures = [failure for each in tallies for failure in each.failures] if name in DEFECTS else []
        missed = [f"{each.fired} of {each.injected} fired" for each in tallies if each.fired < each.injected]
        yield name, (failures or missed or [""])[0]
