"""A run is taken up again while a file of it is not given back: whatever the error, the run must not be the worse."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from latentia.recipes import load_recipe
from latentia.recipes.runs import resume_run, start_run
from latentia.training.board import BOARD
from tests.chaos.children import run
from tests.chaos.damage import copied
from tests.chaos.faults import Disk, Fault
from tests.chaos.report import Tally
from tests.chaos.training import PLANS, QUIET, SMALL, corpus, difference, result, start

KINDS = ("EIO", "EACCES", "EMFILE")
STOPPED_EARLY = [
    ("training.epochs", 12),
    ("training.optimizer.learning_rate", 0.3),
    ("training.stopping.patience", 1),
    ("objective.weight", {"kind": "Constant", "value": 1.0}),
]
"""Settings with which the best weights are not the last ones."""

WRITTEN = ("run.lock", "metrics.jsonl")
"""Files that any resume writes; of the records the result has what counts."""

_RENAME = re.compile(r"or rename (.+) to (\S+), and ")

NOTHING = Fault(name="nothing")


@dataclass(frozen=True)
class _Victim:
    """A run that is to be taken up again, and what it ends with if nothing fails."""

    folder: Path
    expected: dict[str, object]


def tally(home: Path, share: float, seed: int = 0) -> Iterator[Tally]:
    """Keep each file and folder from a resume that looks at it (or a share of them), by each call and error."""
    counts, generator = Tally("a file is not given back", least=1), random.Random(seed)
    for victim in (_killed(home), _ended(home)):
        faults = [Fault(kind, name=name, path=path) for name, path in looks_of(home, victim.folder) for kind in KINDS]
        for fault in generator.sample(faults, max(1, round(share * len(faults)))):
            wrong, fired = withheld(home, victim, fault)
            counts.add(wrong, fired=fired)
    yield counts
    yield _never(home, share, generator)


def _never(home: Path, share: float, generator: random.Random) -> Tally:
    """Never give files of checkpoints back."""
    counts, victim = Tally("a checkpoint is never given back", least=1), _killed(home)
    looks = [look for look in looks_of(home, victim.folder) if look[1].startswith("checkpoints/")]
    for name, path in generator.sample(looks, max(1, round(share * len(looks)))):
        wrong, fired = gone_round(home, victim, Fault("EIO", name=name, path=path))
        counts.add(wrong, fired=fired)
    return counts


def gone_round(home: Path, victim: _Victim, fault: Fault) -> tuple[str, bool]:
    """Resume without a file that is never given back, do what the error says, and resume without it again."""
    folder = copied(victim.folder, home / "run")
    outcome = run(partial(resume_run, folder, QUIET), folder, home, fault)
    told, fired = _RENAME.search(outcome.said), outcome.felt(fault)
    if outcome.code and not told:
        return f"{fault}: exit code {outcome.code}, {outcome.said[-400:]}", fired
    if told:
        Path(told[1]).rename(Path(told[1]).with_name(told[2]))
        outcome = run(partial(resume_run, folder, QUIET), folder, home, fault)
    wrong = outcome.said[-400:] if outcome.code else difference(folder, victim.expected)
    return wrong and f"{fault}: exit code {outcome.code}, {wrong}", fired


def looks_of(home: Path, source: Path) -> list[tuple[str, str]]:
    """Name the calls by which a resume looks at files, and the files."""
    folder = copied(source, home / "run")
    disk = Disk(folder, NOTHING)
    with disk.installed():
        resume_run(folder, QUIET)
    there = {str(path.relative_to(source)) for path in (source, *source.rglob("*"))}
    return [(name, path) for name, path in dict.fromkeys(disk.looks) if path in there and path != "run.lock"]


def withheld(home: Path, victim: _Victim, fault: Fault) -> tuple[str, bool]:
    """Resume without and with a file; say what is wrong, and whether the fault fired."""
    folder = copied(victim.folder, home / "run")
    before = _contents(folder)
    outcome = run(partial(resume_run, folder, QUIET), folder, home, fault)
    wrong = _wrong_with(folder, victim, outcome.code, before)
    return wrong and f"{fault}: {wrong}, {outcome.said[-400:]}", outcome.felt(fault)


def _wrong_with(folder: Path, victim: _Victim, code: int, before: dict[str, bytes]) -> str:
    if code not in (0, 74):
        return f"exit code {code}"
    if aside := [path.name for path in folder.rglob("*.corrupt*")]:
        return f"{aside[0]} was set aside"
    if code and (changed := sorted(before.items() ^ _contents(folder).items())) and not _has_trained(changed):
        return f"{changed[0][0]} was changed"
    resume_run(folder, QUIET)
    return difference(folder, victim.expected)


def _has_trained(changed: list[tuple[str, bytes]]) -> bool:
    """Tell whether the file was first looked at in a later save: the board is opened when training begins."""
    return any(name.startswith(f"{BOARD}/") for name, _ in changed)


def _contents(folder: Path) -> dict[str, bytes]:
    """Return everything that a resume that trains nothing may not change."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if ".tmp" not in name and name not in WRITTEN}


def _killed(home: Path) -> _Victim:
    """A run that was killed on its way."""
    whole, folder = home / "whole", home / "killed"
    calls = run(partial(start, home, "plain", whole), whole, home).calls
    run(partial(start, home, "plain", folder), folder, home, Fault("killed after", 2 * calls // 3))
    expected = result(whole)
    shutil.rmtree(whole)
    return _Victim(folder, expected)


def _ended(home: Path) -> _Victim:
    """A run that an early stop has ended: its best weights are in no checkpoint."""
    folder, (recipe, _) = home / "ended", PLANS["plain"]
    start_run(corpus(home), load_recipe(recipe).with_settings([*SMALL, *STOPPED_EARLY]), folder, 1, QUIET)
    return _Victim(folder, result(folder))
