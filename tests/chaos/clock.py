"""A run under a clock that is wrong, and with files of any age: nothing may hang on either."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from itertools import count as counted
from pathlib import Path
from unittest.mock import patch

from latentia.training.board import BOARD
from tests.chaos.children import run
from tests.chaos.faults import Fault
from tests.chaos.report import Tally
from tests.chaos.training import difference, start_or_resume, uninterrupted

_now = time.time
_jumps = counted()
CLOCKS: dict[str, Callable[[], float]] = {
    "an hour slow": lambda: _now() - 3600,
    "ten years fast": lambda: _now() + 10 * 365 * 86400,
    "that stands": lambda: 1e9,
    "that jumps": lambda: 1e9 + (-1) ** next(_jumps) * 1e6 * next(_jumps),
    "before its epoch": lambda: -1.0,
}


def tally(home: Path, count: int, seed: int) -> Iterator[Tally]:
    """Kill runs under wrong clocks, give their files any age, and take them up again under the same clock."""
    counts, generator = Tally("a wrong clock, files of any age", count), random.Random(seed)
    expected = uninterrupted(home, "plain")
    for number in range(count):
        name = list(CLOCKS)[number % len(CLOCKS)]
        wrong, fired = under(home, home / f"clock {number}", name, expected, generator)
        counts.add(wrong and f"a clock {name}: {wrong}", fired=fired)
    yield counts


def under(
    home: Path, folder: Path, name: str, expected: dict[str, object], generator: random.Random
) -> tuple[str, bool]:
    """Say what is wrong with a run that was killed and taken up under a clock, and whether both were so."""
    asked = home / "asked"
    asked.unlink(missing_ok=True)

    def work() -> None:
        def clock() -> float:
            asked.touch()
            return CLOCKS[name]()

        with patch.object(time, "time", clock):
            start_or_resume(home, "plain", folder)

    kill = Fault("killed after", generator.randint(150, 350))
    killed = run(work, folder, home, kill).felt(kill)
    for path in sorted(folder.rglob("*")):
        os.utime(path, (generator.randint(0, 2**32),) * 2)
    begun = len(list(folder.glob(f"{BOARD}/*")))
    outcome = run(work, folder, home)
    fired = killed and asked.exists()
    if outcome.code:
        return f"exit code {outcome.code}: {outcome.said[-300:]}", fired
    boards = [path.name for path in (folder / BOARD).iterdir()]
    wrong = difference(folder, expected)
    return wrong or ("" if len(boards) == begun + 1 else f"{boards} of two sittings"), fired
