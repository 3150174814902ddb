"""A disk that fills while a run is trained: a file system of its own size, which only one child sees."""

from __future__ import annotations

import ctypes
import json
import os
import random
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict, dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from latentia.cli import main
from latentia.durable import free_in, written_for
from latentia.errors import StorageError
from latentia.recipes import runs
from latentia.recipes.runs import resume_run
from latentia.training.checkpoint import Checkpoints
from latentia.training.loop import Trainer
from tests.chaos import saving
from tests.chaos.children import run
from tests.chaos.faults import FULL, LIBRARY
from tests.chaos.report import Tally
from tests.chaos.training import QUIET, SMALL, corpus, difference, result

PAGE = os.sysconf("SC_PAGE_SIZE")
ROOMY = 2**25
"""Bytes of a disk on which everything fits."""

SETTINGS: list[tuple[str, object]] = [
    *SMALL,
    ("model.encoder.hidden_dim", 24),
    ("model.decoder.hidden_dim", 24),
    ("objective.weight", {"kind": "Constant", "value": 1.0}),
]
STOPPED = {9: "a checkpoint", 11: "best weights and a checkpoint"}
"""Steps after which a run is stopped, and what the next save is of."""

FILES = {
    9: ("model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"),
    11: (".manifest.json", ".model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"),
}
"""Files in the order in which the next save writes them; those of the run itself begin with a dot.

A checkpoint's own weights have the room that the best ones before had.
"""

_NEEDED = re.compile(
    r"error: (.+) cannot be written \(No space left on device\): make room for [\d,]+ bytes \([\d,]+ b"
)
_REFUSED = re.compile(r"error: (.+) has [\d,]+ bytes free, and training .* takes [\d,]+ more: make room")
_OWN_MOUNTS, _OWN_USERS, _PRIVATE, _ALL = 0x20000, 0x10000000, 1 << 18, 1 << 14
"""``CLONE_NEWNS``, ``CLONE_NEWUSER``, ``MS_PRIVATE`` and ``MS_REC`` of Linux."""


@dataclass(frozen=True)
class Verdict:
    """What a child found: what is wrong, and where the room ended; nothing where it did not."""

    wrong: str
    ended: str = ""


def tally(home: Path, count: int, seed: int) -> Iterator[Tally]:
    """Let the disk be full in a save at so many sizes, and begin runs on disks that are too small for them."""
    filled, refused = Tally("disk full in a save", count), Tally("disk too small for a run", max(1, count // 6))
    if not can_mount(home):
        yield _skipped(home, filled)
        return
    corpus(home)
    expected, ended = _whole(home), set[str]()
    for step, pages in _sizes(home, count, random.Random(seed)):
        verdict = _in_child(home, partial(_filled, home, step, pages, expected))
        ended |= {f"{step} {verdict.ended}"} if verdict.ended else set()
        filled.add(
            verdict.wrong and f"{pages} pages before {STOPPED[step]}: {verdict.wrong}", fired=bool(verdict.ended)
        )
    wanted = {f"{step} {name}" for step, names in FILES.items() for name in names}
    missing = sorted(wanted - ended) if count > len(wanted) else []
    filled.failures += [f"no size at which {name} does not fit" for name in missing]
    filled.note = f"{len(ended)} of the {len(wanted)} files of two saves were the one that did not fit"
    yield filled
    for size in _too_small(home, refused.least):
        verdict = _in_child(home, partial(_begun, home, size))
        refused.add(verdict.wrong and f"{size:,} bytes: {verdict.wrong}", fired=bool(verdict.ended))
    yield refused


def mount(place: Path, size: int) -> None:
    """Give this process, and no other, a file system of so many bytes.

    Raises:
        OSError: If it may not have one.
    """
    user = os.geteuid()
    _call("unshare", _OWN_MOUNTS | (_OWN_USERS if user else 0))
    if user:
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    _call("mount", None, b"/", None, _ALL | _PRIVATE, None)
    _call("mount", b"none", os.fsencode(place), b"tmpfs", 0, f"size={size}".encode())


def _call(name: str, *arguments: Any) -> None:
    if getattr(LIBRARY(None, use_errno=True), name)(*arguments):
        raise OSError(ctypes.get_errno(), name)


def can_mount(home: Path) -> bool:
    """Tell whether there can be a file system to fill."""
    (home / "disk").mkdir(exist_ok=True)
    return run(partial(mount, home / "disk", ROOMY), home / "nothing", home).code == 0


def _skipped(home: Path, counts: Tally) -> Tally:
    """Let calls fail where there is no file system to fill."""
    counts.note = "skipped, as no file system can be mounted here: calls fail in its place"
    for _, wrong, fired in saving.sweep(home, saving.template(home / "template"), 1.0, kinds=(FULL,)):
        counts.add(wrong, fired=fired)
    return counts


def _in_child(home: Path, work: Callable[[], Verdict]) -> Verdict:
    """Find something out in a child, whose mounts end with it."""
    told = home / "verdict"
    told.unlink(missing_ok=True)
    outcome = run(lambda: told.write_text(json.dumps(asdict(work()))), home / "nothing", home)
    return Verdict(**json.loads(told.read_text())) if told.exists() else Verdict(outcome.said[-500:] or "no verdict")


def train(*words: object) -> tuple[int, str]:
    """Be ``latentia train``; return the exit code and what it said."""
    said = StringIO()
    with (
        patch.object(sys, "argv", ["latentia", "train", *map(str, words)]),
        redirect_stderr(said),
        redirect_stdout(said),
    ):
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0), said.getvalue()
    return 0, said.getvalue()


def begin(home: Path, folder: Path) -> tuple[int, str]:
    """Train a run by the command."""
    return train(home / "texts.txt", "--out", folder, *(f"--set={key}={json.dumps(value)}" for key, value in SETTINGS))


def _whole(home: Path) -> dict[str, object]:
    """Train one run to its end, and others to where they are stopped; return what the first leaves."""
    if not (home / "whole").exists():
        begin(home, home / "whole")
        for step in STOPPED:
            run(partial(_stopped, home, step), home / "nothing", home)
    return result(home / "whole")


def _stopped(home: Path, at: int) -> None:
    original = Trainer._step

    def step_and_stop(self: Trainer, *arguments: object) -> None:
        original(self, *arguments)
        if self.progress.step == at:
            os.kill(os.getpid(), signal.SIGTERM)

    with patch.object(Trainer, "_step", step_and_stop):
        begin(home, home / f"stopped {at}")


def _sizes(home: Path, count: int, generator: random.Random) -> Iterator[tuple[int, int]]:
    """Yield steps and pages of room; of enough, each file of the next save is once the first that does not fit."""
    edges, others = [], []
    for step, names in FILES.items():
        folder, room = Checkpoints(home / f"stopped {step}")._found()[0], 0
        for name in names:
            pages = -(-(folder / name.removeprefix(".")).stat().st_size // PAGE)
            edges.append((step, max(room, int(name == ".model.safetensors"))))
            others += [(step, room + more) for more in range(1, pages)]
            room += pages if name != ".manifest.json" else 0  # the one before it goes
    others = sorted({*others} - {*edges})
    yield from generator.sample(edges, min(count, len(edges)))
    yield from generator.sample(others, min(max(0, count - len(edges)), len(others)))


def fill(disk: Path, pages: int) -> None:
    """Leave so many pages of a disk."""
    (disk / "filler").write_bytes(b"x" * ((free_in(disk) or 0) - pages * PAGE))


def _filled(home: Path, step: int, pages: int, expected: dict[str, object]) -> Verdict:
    """Take up a run whose disk fills once training has begun, again while it is full, and again when there is room."""
    disk, fit = home / "disk", Trainer.fit
    mount(disk, ROOMY)
    folder = disk / "run"
    shutil.copytree(home / f"stopped {step}", folder)

    def filling(self: Trainer, *arguments: Any) -> bool:
        fill(disk, pages)
        return fit(self, *arguments)

    with patch.object(Trainer, "fit", filling):
        code, said = train("--resume", folder)
    met = _NEEDED.search(said)
    wrong = _wrong_with(folder, step, code, said if not met else "")
    with suppress(StorageError):  # the disk is full still
        resume_run(folder, QUIET)
    (disk / "filler").unlink(missing_ok=True)
    resume_run(folder, QUIET)
    return Verdict(wrong or difference(folder, expected), _name(Path(met[1])) if met else "")


def _wrong_with(folder: Path, step: int, code: int, said: str) -> str:
    """Say what is wrong with a run whose disk was full."""
    if code != 74 or said:
        return f"exit code {code}: {said[-300:]}"
    if left := [path.name for path in folder.rglob("*.tmp")]:
        return f"{left[0]} was left"
    newest = Checkpoints(folder).newest().step
    return "" if newest == step else f"the newest checkpoint is of step {newest}"


def _name(path: Path) -> str:
    """Name a file of a checkpoint; one of the run itself with a dot before it."""
    return path.name if path.parent.name.startswith(".step-") else f".{written_for(path.name)}"


def _too_small(home: Path, count: int) -> list[int]:
    """Return sizes of disks between one that takes what comes before training, and one that takes all."""
    files = [path for path in (home / "whole").rglob("*") if path.is_file()]
    least = sum(path.stat().st_size for path in files if "checkpoints" not in path.parts) + 16 * PAGE
    most = least + Checkpoints(home / "whole").size()
    return [least + number * (most - least) // count // PAGE * PAGE for number in range(count)]


def _begun(home: Path, size: int) -> Verdict:
    """Begin a run on a disk that does not hold it."""
    disk, reached = home / "disk", list[str]()
    mount(disk, size)

    def tokenise(*_: object) -> None:
        reached.append("it went on to tokenise the corpus")
        raise SystemExit

    with (
        patch.object(runs, "corpora_of", tokenise),
        patch.object(Trainer, "fit", lambda *_: reached.append("it trained")),
    ):
        code, said = begin(home, disk / "run")
    refused = _REFUSED.search(said)
    if code != 74 or reached:
        return Verdict(f"exit code {code}, {reached}: {said[-300:]}", "refused" if refused else "")
    left = [path.name for path in disk.iterdir()]
    return Verdict(f"{left[0]} was left" if left else "" if refused else said[-300:], "refused" if refused else "")
