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
from tests.chaos.children import Child
from tests.chaos.faults import Fault
from tests.chaos.report import Tally
from tests.chaos.training import start, start_or_resume

REFUSED = (2, 75)


def tally(home: Path, count: int, reads: int, seed: int) -> Iterator[Tally]:
    """Start processes in one folder; read a folder while it is written."""
    shared = Tally("several processes begin one run")
    for wrong in rounds(home, count, random.Random(seed)):
        shared.add(wrong)
    yield shared
    yield reading(home, reads)


def rounds(home: Path, count: int, generator: random.Random) -> Iterator[str]:
    """Start two to four processes at once, and some on a run that was killed; say where not exactly one wins."""
    for number in range(count):
        folder = home / f"shared {number}"
        begin = start if number % 2 == 0 else start_or_resume
        if begin is start_or_resume:
            _killed(home, folder)
        children = []
        for index in range(generator.randint(2, 4)):
            scratch = home / f"child {index}"
            scratch.mkdir(exist_ok=True)
            shutil.copy(home / "texts.txt", scratch) if (home / "texts.txt").exists() else None
            children.append(Child(partial(begin, scratch, "plain", folder), folder, Fault(), scratch))
        outcomes = [child.wait() for child in children]
        codes = sorted(outcome.code for outcome in outcomes)
        # One that comes after the winner has ended finds a finished run, and resumes it to its end.
        winners = codes.count(0)
        others = all(code in REFUSED for code in codes if code)
        right = winners >= 1 and others if begin is start_or_resume else winners == 1 and others
        told = next((outcome.said for outcome in outcomes if outcome.code not in (0, *REFUSED)), "")
        yield "" if right else f"exit codes {codes} {told[-300:]}"
        shutil.rmtree(folder, ignore_errors=True)


def _killed(home: Path, folder: Path) -> None:
    """Begin a run and kill it: its lock is stale."""
    child = Child(partial(start, home, "plain", folder), folder, Fault(), home)
    while not (folder / "manifest.json").exists() and not child.ended():
        time.sleep(0.002)
    child.send()
    child.wait()


def reading(home: Path, reads: int) -> Tally:
    """Read weights and newest checkpoint while another process saves on and on."""
    counts = Tally("read while it is written")
    folder = saving.template(home / "written")
    writer = Child(partial(_write_on, folder), folder, Fault(), home)
    last = 0
    for _ in range(reads):
        try:
            tensors = read_tensors(folder / "model.safetensors")
            step = Checkpoints(folder).newest().step
        except LatentiaError as error:
            counts.add(str(error))
            continue
        finite = all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
        counts.add("" if finite and step >= last else f"step {step} after {last}")
        last = step
    ended = writer.ended()
    writer.send()
    outcome = writer.wait()
    counts.note = f"{last - saving.BEFORE} saves meanwhile"
    if ended or last == saving.BEFORE:
        counts.failures.append(f"the writer wrote {last} and ended with {outcome.code}: {outcome.said[-300:]}")
    return counts


def _write_on(folder: Path) -> None:
    for step in range(saving.AFTER, 10**6):
        saving.save(folder, step)
