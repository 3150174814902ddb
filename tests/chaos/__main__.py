"""``make chaos``: put faults in, and print what fired and what was survived.

python -m tests.chaos [--scale 0.1] [--seed 1] [--only kills,damage]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from tests.chaos import (
    astray,
    bombs,
    clock,
    corpora,
    damage,
    defects,
    duds,
    endurance,
    full,
    headers,
    hostile,
    kills,
    leaks,
    leaps,
    mapped,
    memory,
    mistakes,
    native,
    numbers,
    positions,
    rotation,
    saving,
    sharing,
    source,
    storing,
    terminals,
)
from tests.chaos.report import Tally

CLASSES: dict[str, Callable[[Path, float, int], Iterator[Tally]]] = {
    "kills": lambda home, scale, seed: kills.kill_at_random(home, max(3, round(200 * scale)), seed),
    "saving": lambda home, scale, seed: saving.tally(home, min(1.0, scale), seed),
    "signals": lambda home, scale, seed: kills.signals(home, max(4, round(150 * scale)), seed),
    "native": lambda home, scale, seed: native.tally(home, max(2, round(10 * scale)), seed),
    "sharing": lambda home, scale, seed: sharing.tally(
        home, max(2, round(50 * scale)), max(20, round(2000 * scale)), seed, most=8 if scale >= 1 else 4
    ),
    "damage": lambda home, scale, seed: damage.tally(home, round(5000 * scale), max(1, round(1 / scale)), seed),
    "hostile": lambda home, scale, seed: hostile.tally(home, max(1, round(1 / scale))),
    "leaps": lambda home, scale, seed: leaps.tally(home, max(2, round(18 * scale)), max(1, round(2 * scale)), seed),
    "terminals": lambda home, scale, seed: terminals.tally(home, 1 if scale > 0.1 else 4),
    "source": lambda home, scale, seed: iter([source.tally()]),
    "bombs": lambda home, scale, seed: bombs.tally(home, min(1.0, scale)),
    "headers": lambda home, scale, seed: headers.tally(home, max(200, round(10_000 * scale)), seed),
    "corpora": lambda home, scale, seed: corpora.tally(
        home, max(2000, round(10_000 * scale)), max(30, round(300 * scale)), seed
    ),
    "positions": lambda home, scale, _: positions.tally(home, max(6, round(192 * scale))),
    "endurance": lambda home, scale, seed: endurance.tally(
        home, max(90, round(2000 * scale)), max(2, round(20 * scale)), seed
    ),
    "leaks": lambda home, scale, _: leaks.tally(home, max(12, round(500 * scale))),
    "numbers": lambda home, scale, seed: numbers.tally(home, max(6, round(50 * scale)), seed),
    "rotation": lambda home, scale, seed: rotation.tally(home, max(10, round(500 * scale)), seed),
    "mapped": lambda home, scale, seed: mapped.tally(home, max(4, round(100 * scale))),
    "clock": lambda home, scale, seed: clock.tally(home, max(1, round(20 * scale)), seed),
    "memory": lambda home, scale, seed: memory.tally(home, max(1, round(10 * scale))),
    "full": lambda home, scale, seed: full.tally(home, max(2, round(30 * scale)), seed),
}
"""The counts that each class promises, and fails without."""

DEFECTS = {
    "a resume that ": defects.resuming,
    "a save: ": defects.saves,
    "": mistakes.others,
    "astray: ": astray.defects,
    "faults that do not happen: ": duds.duds,
    "storage: ": storing.seen,
}


def main() -> int:
    """Run the classes that are asked for; return 1 if anything was not survived, or a defect not seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full counts")
    parser.add_argument("--seed", type=int, default=1, help="replays the same faults")
    parser.add_argument("--only", default="", help=f"of {', '.join((*CLASSES, 'defects'))}, with commas between")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end in place of the tables")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if unknown := {*chosen.only.split(",")} - {*CLASSES, "defects", ""}:
        parser.error(f"no class is called {', '.join(sorted(unknown))}")
    only = [name for name in chosen.only.split(",") if name] or [*CLASSES, "defects"]
    with tempfile.TemporaryDirectory(dir=_memory()) as place:
        tallies = list(_tallies(Path(place), only, chosen))
        seen = dict(_defects(Path(place), chosen)) if "defects" in only else {}
    if chosen.json:
        counts = {each.name: {**vars(each), "good": each.good} for each in tallies}
        sys.stdout.write(json.dumps({"tallies": counts, "defects": seen}) + "\n")
    return 0 if all(each.good for each in tallies) and all(seen.values()) else 1


def _memory() -> str | None:
    """A folder in memory, where there is one: cuts of power are played, and no disk has to be waited for."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _tallies(home: Path, only: list[str], chosen: argparse.Namespace) -> Iterator[Tally]:
    _say(chosen, f"{'class':<34}{'injected':>9} {'fired':>9} {'survived':>9}")
    for name in only:
        if name in CLASSES:
            place, begin = home / name, time.monotonic()
            place.mkdir()
            for tally in CLASSES[name](place, chosen.scale, chosen.seed):
                _say(chosen, tally.line())
                for failure in tally.failures[:5]:
                    _say(chosen, f"    {failure}")
                yield tally
            _say(chosen, f"    {name}: {time.monotonic() - begin:.0f} s")


def _defects(home: Path, chosen: argparse.Namespace) -> Iterator[tuple[str, str]]:
    _say(chosen, f"\n{'defect put in':<68}seen by")
    for number, (prefix, found) in enumerate(DEFECTS.items()):
        place = home / f"defects {number}"
        place.mkdir()
        for name, seen in found(place):
            _say(chosen, f"{prefix + name:<68}{' '.join(seen.split())[:100] or 'NOT SEEN'}")
            yield prefix + name, seen


def _say(chosen: argparse.Namespace, line: str) -> None:
    if not chosen.json:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
