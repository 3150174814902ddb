"""Several processes on one run folder: writers of which one wins, and a reader beside a writer."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from latentia.errors import LatentiaError
from latentia.training.checkpoint import Checkpoints
from latentia.training.weights import read_tensors
from tests.chaos import saving
from tests.chaos.children import Child, Outcome
from tests.chaos.faults import CALLED, Fault
from tests.chaos.report import Tally
from tests.chaos.training import start, start_or_resume

REFUSED = (2, 75)
TRIES = 5
"""Rounds that are begun for each in which processes have to meet."""

PATIENCE = 120.0
"""Seconds for all reads to meet a call of a save."""


def tally(home: Path, count: int, reads: int, seed: int) -> Iterator[Tally]:
    """Start processes in one folder; read a folder while it is written."""
    shared = Tally("several processes begin one run", count)
    for wrong, refused in rounds(home, count, random.Random(seed)):
        shared.add(wrong, fired=refused)
    yield shared
    yield reading(home, reads)


def rounds(home: Path, count: int, generator: random.Random) -> Iterator[tuple[str, bool]]:
    """Start two to four processes at once, and some on a run that was killed.

    Say where not exactly one wins, and whether one was refused: else they did not meet. Of those that resume, one that
    comes late finds a finished run, and resumes it to its end.
    """
    for number in range(count):
        folder = home / f"shared {number}"
        for _ in range(TRIES):
            outcomes = _round(home, folder, number % 2 == 0, generator.randint(2, 4))
            shutil.rmtree(folder, ignore_errors=True)
            codes = sorted(outcome.code for outcome in outcomes)
            if refused := any(code in REFUSED for code in codes):
                break
        winners = codes.count(0)
        others = all(code in REFUSED for code in codes if code)
        right = others and (winners == 1 if number % 2 == 0 else winners >= 1)
        told = next((outcome.said for outcome in outcomes if outcome.code not in (0, *REFUSED)), "")
        yield "" if right else f"exit codes {codes} {told[-300:]}", refused


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
            time.sleep(0.001)
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
