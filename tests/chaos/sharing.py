"""Several processes on one run folder: writers of which one wins, and a reader beside a writer."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from latentia.errors import BusyError, LatentiaError
from latentia.training.checkpoint import Checkpoints
from latentia.training.weights import read_tensors
from tests.chaos import saving
from tests.chaos.children import Child, Outcome
from tests.chaos.faults import CALLED, Fault
from tests.chaos.report import Tally
from tests.chaos.training import start, start_or_resume

BUSY = BusyError.exit_code
REFUSED = (2, BUSY)
"""Exit codes of those that do not win: one that comes late finds that a run was begun, or another at work."""

TRIES = 5
"""Rounds that are begun for each in which processes have to meet."""

PATIENCE = 120.0
"""Seconds for all reads to meet a call of a save."""


def tally(home: Path, count: int, reads: int, seed: int, most: int = 4) -> Iterator[Tally]:
    """Start two or more processes in one folder, and at most so many; read a folder while it is written."""
    shared = Tally("several processes begin one run", count)
    for wrong, met in rounds(home, count, random.Random(seed), most):
        shared.add(wrong, fired=met)
    yield shared
    yield reading(home, reads)


def rounds(home: Path, count: int, generator: random.Random, most: int = 4) -> Iterator[tuple[str, bool]]:
    """Start some processes at once, also on a run that was killed.

    Say where not exactly one wins, and whether one found another at work: else they did not meet. Of those that resume,
    one that comes late finds a finished run, and resumes it to its end.
    """
    for number in range(count):
        folder = home / f"shared {number}"
        for _ in range(TRIES):
            outcomes = _round(home, folder, number % 2 == 0, generator.randint(2, most))
            shutil.rmtree(folder, ignore_errors=True)
            wrong, met = _wrong_with(outcomes, number % 2 == 0), any(outcome.code == BUSY for outcome in outcomes)
            if wrong or met:
                break
        yield wrong, met


def _wrong_with(outcomes: list[Outcome], fresh: bool) -> str:
    """Say what is wrong with how the processes of a round ended."""
    codes = sorted(outcome.code for outcome in outcomes)
    others = all(code in REFUSED for code in codes if code)
    right = others and (codes.count(0) == 1 if fresh else codes.count(0) >= 1)
    told = next((outcome.said for outcome in outcomes if outcome.code not in (0, *REFUSED)), "")
    return "" if right else f"exit codes {codes} {told[-300:]}"


def _round(home: Path, folder: Path, fresh: bool, count: int) -> list[Outcome]:
    """Let processes begin a run at once, or take up one that was killed."""
    if not fresh:
        _killed(home, folder)
    children = []
    for index in range(count):
        scratch = home / f"child {index}"
        scratch.mkdir(exist_ok=True)
        if (home / "texts.txt").exists():
            shutil.copy(home / "texts.txt", scratch)
        begin = partial(start if fresh else start_or_resume, scratch, "plain", folder)
        children.append(Child(begin, folder, Fault(), scratch))
    return [child.wait() for child in children]


def _killed(home: Path, folder: Path) -> None:
    """Begin a run and kill it: its lock is stale."""
    child = Child(partial(start, home, "plain", folder), folder, Fault(), home)
    while not (folder / "manifest.json").exists() and not child.ended():
        time.sleep(0.002)
    child.send()
    child.wait()


def reading(home: Path, reads: int) -> Tally:
    """Read weights and newest checkpoint while another process saves on and on.

    A read counts if the other process made calls for the folder meanwhile; others are checked and not counted.
    """
    counts = Tally("read while it is written", reads)
    folder = saving.template(home / "written")
    writer = Child(partial(_write_on, folder), folder, Fault(), home)
    last, alone = 0, 0
    end = time.monotonic() + PATIENCE
    while counts.fired < reads and time.monotonic() < end:
        before = writer.count(CALLED)
        wrong, last = _read(folder, last)
        if writer.count(CALLED) > before:
            counts.add(wrong, fired=True)
        else:
            alone += 1
            counts.failures += [wrong] if wrong else []
    ended = writer.ended()
    writer.send()
    outcome = writer.wait()
    counts.note = f"{last - saving.BEFORE} saves meanwhile; {alone:,} more reads met no call of a save"
    if ended:
        counts.failures.append(f"the writer ended with {outcome.code}: {outcome.said[-300:]}")
    return counts


def _read(folder: Path, last: int) -> tuple[str, int]:
    """Read a folder; say what is wrong with it, and which step is its newest."""
    try:
        tensors = read_tensors(folder / "model.safetensors")
        step = Checkpoints(folder).newest().step
    except LatentiaError as error:
        return str(error), last
    finite = all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
    return "" if finite and step >= last else f"step {step} after {last}", step


def _write_on(folder: Path) -> None:
    for step in range(saving.AFTER, 10**6):
        saving.save(folder, step)
