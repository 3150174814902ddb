"""Models are fitted, opened and sampled from, over and over in one process: it must not grow."""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import linear_regression

import torch

import latentia
from latentia import LatentTransformer
from latentia.training.checkpoint import Checkpoints
from tests.chaos.children import Child
from tests.chaos.faults import Fault
from tests.chaos.report import Tally
from tests.chaos.training import PLANS, SMALL

TEXTS = [f"a b {'c ' * (n % 3)}d{n % 5} e{n % 7}" for n in range(40)]
STEPS, SAMPLES = 3, 2
STEEPEST, COARSE = 2**20, 800 * 2**20
"""Bytes by which a process may grow in a hundred cycles; and where they are too few to tell that from noise."""
WARM = 3
"""Cycles in which it warms up, of one plan; a long walk does for a fifth of its cycles, and takes all plans in turn."""
ENOUGH = 200
"""Cycles of a long walk, in which little growth of memory is told from its noise."""
PATIENCE = 1800.0
"""Seconds after which no end of the cycles is waited for."""

Held = dict[str, int]


def tally(home: Path, count: int) -> Iterator[Tally]:
    """Go through so many cycles in a child; a cycle fired where a model was trained, opened and asked."""
    counts = Tally("fit, open and sample, in one process", count)
    cycle(home / "run", "plain")  # in this process, so that its child has what it imports
    child = Child(partial(_cycles, home, count), home / "uncounted", Fault(), home)
    outcome = child.wait(PATIENCE)
    seen = [json.loads(line) for line in (home / "held").read_text().splitlines()]
    wrong = "" if outcome.code else grown(seen)
    if outcome.code:
        counts.failures.append(f"exit code {outcome.code}: {outcome.said[-300:]}")
    for each in seen:
        counts.add(wrong, fired=(each["steps"], each["samples"]) == (STEPS, SAMPLES))
    if not outcome.code and count >= ENOUGH:
        counts.note = f"{slope(seen) / 2**20:+.2f} MB in 100 cycles"
    yield counts


def grown(seen: list[Held]) -> str:
    """Say what a process has more of than when it was warm."""
    held = _measured(seen)
    for name in ("descriptors", "threads", "tensors"):
        if len({each[name] for each in held}) > 1:
            return f"{held[0][name]} {name} became {held[-1][name]}"
    if slope(seen) >= (STEEPEST if len(seen) >= ENOUGH else COARSE):
        return f"{slope(seen) / 2**20:.1f} MB in 100 cycles"
    return ""


def slope(seen: list[Held]) -> float:
    """Bytes by which memory grows in a hundred cycles, by least squares."""
    held = _measured(seen)
    return 100 * linear_regression([each["cycle"] for each in held], [each["memory"] for each in held]).slope


def _measured(seen: list[Held]) -> list[Held]:
    """The cycles after which it was measured, once it was warm."""
    return [each for each in seen if "memory" in each and each["cycle"] >= max(WARM, len(seen) // 5)]


def _cycles(home: Path, count: int) -> None:
    """Go through them; tell after each what it did, and after some what is held."""
    plans = list(PLANS) if count >= ENOUGH else ["plain"]
    with (home / "held").open("w", buffering=1) as told:
        for number in range(count):
            done = cycle(home / "run", plans[number % len(plans)])
            if number == WARM - 1:
                gc.collect()
                gc.freeze()  # what is there now is looked at no more
            held = _held() if number >= WARM and number % len(plans) == 0 else {}
            told.write(json.dumps({"cycle": number, **done, **held}) + "\n")


def cycle(folder: Path, plan: str) -> Held:
    """Fit a model, open what it left, and sample; return how many steps were saved, and samples drawn."""
    shutil.rmtree(folder, ignore_errors=True)
    recipe, settings = PLANS[plan]
    settings = [*SMALL, *settings, ("training.max_steps", STEPS)]
    LatentTransformer(recipe, settings=tuple(settings), folder=str(folder)).fit(TEXTS)
    samples = list(latentia.load(folder).sample(SAMPLES))
    return {"steps": Checkpoints(folder).newest().step, "samples": len(samples)}


def _held() -> Held:
    """What this process holds: bytes, descriptors, threads, and tensors that are not garbage."""
    gc.collect()
    return {
        "memory": _own_memory(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "tensors": sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects()),
    }


def _own_memory() -> int:
    """Bytes of this process alone: pages of libraries come and go as the machine likes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))
