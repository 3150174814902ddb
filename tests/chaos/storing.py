"""Defects of what stands between a run and its disk, memory and clock, to see that the harness sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from latentia.recipes import runs
from latentia.training import checkpoint
from tests.chaos import full
from tests.chaos.report import Tally

Look = Callable[[Path], Iterator[Tally]]


def _full(home: Path) -> Iterator[Tally]:
    yield from full.tally(home, 1, 1)


DEFECTS: dict[str, tuple[Callable[[], Any], Look]] = {
    "a save that leaves what did not fit": (partial(patch.object, checkpoint, "sweep", lambda _: None), _full),
    "a run that asks for no room first": (partial(patch.object, runs, "require_room_to_train", lambda *_: None), _full),
}
"""What is done wrong, and the class that must fail for it."""

DUDS: dict[str, tuple[Callable[[], Any], Look]] = {
    "a disk that is not full": (partial(patch.object, full, "fill", lambda *_: None), _full),
}
"""What does not happen, and the class that must fail for it."""


def seen(home: Path) -> Iterator[tuple[str, str]]:
    """Yield each, and by what it was seen; nothing if it was not."""
    for name, (defect, look) in {**DEFECTS, **DUDS}.items():
        place = home / look.__name__  # what they begin with is made once
        place.mkdir(exist_ok=True)
        if look is _full and not full.can_mount(place):
            yield name, "skipped, as no file system can be mounted here"
            continue
        with defect():
            tallies = list(look(place))
        failures = [failure for each in tallies for failure in each.failures] if name in DEFECTS else []
        missed = [f"{each.fired} of {each.injected} fired" for each in tallies if each.fired < each.injected]
        yield name, (failures or missed or [""])[0]
