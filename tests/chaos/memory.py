"""Training with less memory than it takes: it says so or is killed, and what it saved before is whole."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from latentia.data import Columns
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.runs import resume_run, start_run
from latentia.training.checkpoint import Checkpoints
from latentia.training.loop import Trainer
from tests.chaos.children import Outcome, run
from tests.chaos.damage import copied
from tests.chaos.report import Tally
from tests.chaos.training import QUIET, SMALL, difference, result

SETTINGS = [
    *SMALL,
    ("model.encoder.hidden_dim", 96),
    ("model.decoder.hidden_dim", 96),
    ("training.batch_size", 150),
    ("training.epochs", 3),
]
"""A batch that takes some megabytes more than the model."""

SAVED = 2
"""Step of the newest checkpoint of a run that is taken up."""


def tally(home: Path, count: int) -> Iterator[Tally]:
    """Take a run up under so many limits of the memory, from none to spare on to an eighth of what it takes."""
    counts = Tally("the memory does not take training", count)
    expected, takes = _whole(home), _taken(home)
    for number in range(count):
        folder = copied(home / "begun", home / "run")
        outcome = run(partial(_limited, folder, takes * number // (8 * count)), home / "nothing", home)
        fired = outcome.code < 0 or "memory" in outcome.said
        wrong = _wrong_with(folder, outcome)
        if not wrong:
            resume_run(folder, QUIET)
            wrong = difference(folder, expected)
        counts.add(wrong and f"{number} of {8 * count} of {takes:,} bytes: {wrong}", fired=fired)
    counts.note = f"of {takes / 2**20:.0f} MiB that it takes"
    yield counts


def _wrong_with(folder: Path, outcome: Outcome) -> str:
    """Say what is wrong with a run that did not fit: a type of the package's, or a kill, and nothing lost."""
    if outcome.code >= 0 and (outcome.code != 74 or "batch_size" not in outcome.said):
        return f"exit code {outcome.code}: {outcome.said[-400:]}"
    newest = Checkpoints(folder).newest().step
    return "" if newest >= SAVED else f"the newest checkpoint is of step {newest}"


def _whole(home: Path) -> dict[str, object]:
    """Train a run to its end, and keep what it was at its second step."""
    step = Trainer._step

    def kept(self: Trainer, *arguments: Any) -> None:
        if self.progress.step == SAVED + 1:
            copied(home / "whole", home / "begun")
        step(self, *arguments)

    texts = home / "texts.txt"
    texts.write_text("".join(f"{' '.join(f'w{(n * m) % 97}' for m in range(1, 60))}\n" for n in range(160)))
    sources, recipe = Sources([str(texts)], [], Columns()), load_recipe("default").with_settings(SETTINGS)
    with patch.object(Trainer, "_step", kept):
        run(partial(start_run, sources, recipe, home / "whole", 1, QUIET), home / "nothing", home)
    return result(home / "whole")


def _taken(home: Path) -> int:
    """Return the bytes that steps take beyond what is there when they begin."""
    told, folder = home / "taken", copied(home / "begun", home / "run")

    def measured() -> None:
        begun: list[int] = []
        with _at_the_first_step(lambda: begun.append(_size("VmSize"))):
            resume_run(folder, QUIET)
        told.write_text(f"{_size('VmPeak') - begun[0]}")

    run(measured, home / "nothing", home)
    return int(told.read_text())


def _limited(folder: Path, spare: int) -> None:
    with _at_the_first_step(lambda: limit(_size("VmSize") + spare)):
        resume_run(folder, QUIET)


def limit(size: int) -> None:
    """Let this process have so many bytes of addresses."""
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _at_the_first_step(work: Any) -> Any:
    fit = Trainer.fit

    def begun(self: Trainer, *arguments: Any) -> bool:
        work()
        return fit(self, *arguments)

    return patch.object(Trainer, "fit", begun)


def _size(name: str) -> int:
    """Return a size of this process, in bytes."""
    return 1024 * int(re.findall(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[0])
