"""A signal comes while a step is in native code, where no handler of Python runs: the process ends in time anyhow."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from mmap import mmap
from pathlib import Path

import torch

from latentia.training import interruption
from latentia.training.loop import Trainer
from tests.chaos import kills
from tests.chaos.children import Child
from tests.chaos.faults import CELLS, STEPPED, Fault, count_at, set_count
from tests.chaos.report import Tally
from tests.chaos.training import difference, uninterrupted

RETURNED = CELLS
"""Place of the count of native calls that have returned."""

STUCK = 5
"""Step that does not end; the checkpoint before it is one step older."""

SHORTER = {"PATIENCE": 1, "GRACE": 0.2}
"""Limits of time in these runs, in seconds."""


def tally(home: Path, count: int, seed: int, patience: float = 20.0) -> Iterator[Tally]:
    """Ask runs to stop, once or twice, that are in native code: they end before it does."""
    counts, generator = Tally("signal in native code", count), random.Random(seed)
    whole = uninterrupted(home, "plain")
    for number in range(count):
        folder = home / "stuck"
        shutil.rmtree(folder, ignore_errors=True)
        wrong, fired = _stopped(home, folder, (generator.choice(list(kills.CODES)),) * (1 + number % 2), patience)
        counts.add(wrong or kills._finish(home, "plain", folder) or difference(folder, whole), fired=fired)
    yield counts


def _stopped(home: Path, folder: Path, sent: tuple[signal.Signals, ...], patience: float) -> tuple[str, bool]:
    """Send signals into a native call; say what is wrong with the end, and whether they came before it returned."""
    shared = mmap(-1, CELLS + 8)
    child = Child(partial(_command, home, folder, shared), folder, Fault(), home, shared=shared)
    while child.count(STEPPED) < STUCK and not child.ended():
        time.sleep(0.005)
    for number in sent:
        time.sleep(0.05)
        child.send(number)
    outcome = child.wait(time.monotonic() - child.begin + patience)
    fired = outcome.heard.count(sent[0]) >= len(sent) and child.count(STEPPED) == STUCK
    if child.count(RETURNED):
        return "the native call ended first", fired
    right = outcome.code == kills.CODES[sent[0]]
    return "" if right else f"{sent}: exit code {outcome.code}: {outcome.said[-300:]}", fired


def _command(home: Path, folder: Path, shared: mmap) -> None:
    """Be ``latentia train``, with a step that ends in a call of half a minute or more."""
    original = Trainer._step

    def stuck(self: Trainer, *arguments: object) -> None:
        original(self, *arguments)
        if self.progress.step == STUCK:
            set_count(shared, STEPPED, STUCK)
            torch.linalg.matrix_power(torch.eye(3000), 2**62)
            set_count(shared, RETURNED, count_at(shared, RETURNED) + 1)

    Trainer._step = stuck
    for name, seconds in SHORTER.items():
        setattr(interruption, name, seconds)
    kills.train(home, folder)
