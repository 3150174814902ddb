"""A model is saved where it was loaded from, while another process has its file mapped."""

from __future__ import annotations

import hashlib
import mmap
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch

from latentia import load
from latentia.operations.pretrained import save_pretrained
from latentia.training.weights import WEIGHTS, read_tensors, save_weights, tensors_of
from tests.chaos.report import Tally
from tests.chaos.training import start


def tally(home: Path, count: int) -> Iterator[Tally]:
    """Load, save to the same place and load again so often, of a folder to be passed on and of a run in turn."""
    counts = Tally("saved where it was loaded from", count)
    start(home, "plain", home / "run")
    save_pretrained(load(home / "run"), home / "passed on")
    for number in range(count):
        folder = home / ("passed on" if number % 2 else "run")
        wrong, fired = _saved_over(folder)
        counts.add(wrong and f"{folder.name}: {wrong}", fired=fired)
    shutil.rmtree(home / "run")
    yield counts


def _saved_over(folder: Path) -> tuple[str, bool]:
    """Say what is wrong after a save over what is mapped, and whether it put another file in its place."""
    space, path = load(folder), folder / WEIGHTS
    before, place = read_tensors(path), path.stat().st_ino
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        digest = hashlib.sha256(mapped).digest()
        save_weights(space.model, folder) if folder.name == "run" else save_pretrained(space, folder, overwrite=True)
        kept = hashlib.sha256(mapped).digest() == digest
    after = tensors_of(load(folder).model)
    same = before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    return ("" if kept else "what was mapped changed") or ("" if same else "other tensors"), path.stat().st_ino != place
