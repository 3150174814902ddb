"""Faults that do not happen: each class must notice, and fail."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from latentia.errors import DataError, RunError
from latentia.training import weights
from tests.chaos import (
    bombs,
    corpora,
    damage,
    endurance,
    faults,
    headers,
    hostile,
    kills,
    leaks,
    leaps,
    numbers,
    positions,
    saving,
    sharing,
    terminals,
)
from tests.chaos.children import Child
from tests.chaos.report import Tally

NEVER = 10**6
"""A call and a step that no run has."""


def _one(wrong: str, fired: bool) -> Tally:
    counts = Tally("one", 1)
    counts.add(wrong, fired=fired)
    return counts


def _calls(home: Path) -> Iterator[Tally]:
    """Calls that nothing is done to."""
    with patch.object(faults.Disk, "_fire", lambda *_: None):
        yield from saving.tally(home, 0.02)


def _killing(home: Path) -> Iterator[Tally]:
    """Kills at calls and at times, none of which comes."""
    whole, counts, generator = kills._Whole.of(home, "plain"), Tally("kills", 1), random.Random(1)
    fire = patch.object(faults.Disk, "_fire", lambda *_: None)
    with fire, patch.multiple(Child, send=lambda *_: None, halt=lambda _: True):
        for number in range(2):
            for each in kills._disturbances(home, "plain", home / f"killed {number}", whole, generator):
                counts.add(each.wrong, fired=each.fired)
    yield counts


def _asking(home: Path) -> Iterator[Tally]:
    """Signals that are none."""
    send = Child.send

    def nothing(child: Child, number: int) -> None:
        send(child, number if number in (signal.SIGSTOP, signal.SIGCONT) else 0)

    with patch.object(Child, "send", nothing):
        yield from kills.signals(home, 1, 1)


def _altering(home: Path) -> Iterator[Tally]:
    """Bits that are not flipped, and ends that are not cut."""
    altered = damage._seen

    def same(path: Path, _: bytes, content: bytes, *others: Any) -> tuple[str, bool]:
        return altered(path, content, content, *others)

    with patch.object(damage, "_seen", same):
        yield from damage.tally(home, 4, 4000, 1)


def _attacking(home: Path) -> Iterator[Tally]:
    """An artefact that is not put there."""
    victims = hostile._victims(home)
    yield _one(*hostile.opened(home, ("nothing", "folder", lambda *_: None), victims["folder"], home / "canary"))


def _meeting(home: Path) -> Iterator[Tally]:
    """Processes each of which is alone; a writer that does not write."""
    rounds = sharing._round
    with patch.object(sharing, "_round", lambda *arguments: rounds(*arguments[:-1], 1)):
        yield _one(*next(sharing.rounds(home, 1, random.Random(1))))
    with patch.object(sharing, "_write_on", lambda _: time.sleep(60)), patch.object(sharing, "PATIENCE", 0.2):
        yield sharing.reading(home, 3)


def _in_turn(home: Path) -> Iterator[Tally]:
    """Processes that come one after another."""

    def ended(*arguments: Any) -> Child:
        child = Child(*arguments)
        while not child.ended():
            time.sleep(0.002)
        return child

    with patch.multiple(sharing, Child=ended, TRIES=1):
        for wrong, met in sharing.rounds(home, 2, random.Random(1)):
            yield _one(wrong, met)


def _reading(home: Path) -> Iterator[Tally]:
    """Files that nobody opens."""

    def refuse(*_: object) -> None:
        raise DataError("no", "none")

    with patch.object(corpora, "read_texts", refuse):
        yield corpora.stepped(home, 5, 1)


def _level(home: Path) -> Iterator[Tally]:
    """A KL that stays where it was."""
    with patch.object(leaps, "FACTOR", 1e-3):
        yield _one(*leaps.leapt(home, "plain", 40))


def _harmless(home: Path) -> Iterator[Tally]:
    """A bomb that nobody reads."""
    with patch.object(bombs, "read_records", lambda *_: iter(())):
        yield _one("", bombs.met(home, bombs.BOMBS["zeros"], 1)["fired"])


def _unseen(home: Path) -> Iterator[Tally]:
    """Texts that no command shows."""
    terminals.prepared(home)
    with patch.object(terminals, "main", lambda: None):
        yield _one(*terminals.shown(home, terminals.COMMANDS["samples"]))


def _unread(home: Path) -> Iterator[Tally]:
    """Headers that nobody reads."""

    def refuse(path: Path) -> None:
        raise RunError(f"{path} cannot be read (deserializing: no)", "none")

    with patch.object(weights, "read_tensors", refuse):
        yield headers.alone(home, 5, 1)


def _poisoning(home: Path) -> Iterator[Tally]:
    """A step that does not come."""
    yield _one(*numbers.poisoned(home, NEVER))


def _placing(home: Path) -> Iterator[Tally]:
    """A place that no run comes to."""
    with patch.dict(positions.POSITIONS, {"nowhere": [("given", NEVER, 1)]}):
        cell = positions.Cell("nowhere", "plain", "Mixed", 1)
        yield _one(*positions.stopped(home, cell, positions.Whole.of(home, cell)))


def _enduring(home: Path) -> Iterator[Tally]:
    """Kills of a long run that do not come."""
    with patch.object(Child, "send", lambda *_: None):
        yield from endurance.tally(home, 38, 2, 1)


def _idling(home: Path) -> Iterator[Tally]:
    """Cycles in which nothing is trained."""
    with patch.object(leaks, "cycle", lambda *_: {"steps": 0, "samples": 0}):
        yield from leaks.tally(home, leaks.WARM + 2)


DUDS: dict[str, Callable[[Path], Iterator[Tally]]] = {
    "calls that do not fail": _calls,
    "kills that do not come": _killing,
    "signals that are none": _asking,
    "damage that alters nothing": _altering,
    "an artefact that is not there": _attacking,
    "processes that do not meet": _meeting,
    "processes that come one after another": _in_turn,
    "files that nobody opens": _reading,
    "a KL that stays": _level,
    "a bomb that nobody reads": _harmless,
    "texts that nobody is shown": _unseen,
    "headers that nobody reads": _unread,
    "a step that is not poisoned": _poisoning,
    "a place that is never reached": _placing,
    "kills over a long run that do not come": _enduring,
    "cycles that train nothing": _idling,
}
"""What does not happen, and the class that must fail for it."""


def duds(home: Path) -> Iterator[tuple[str, str]]:
    """Yield each, and by what it was seen: fewer fired than were put in, or than are wanted; nothing if it was not."""
    for number, (name, tallies) in enumerate(DUDS.items()):
        place = home / f"duds {number}"
        place.mkdir()
        found = list(tallies(place))
        seen = found and all(not each.good and each.fired < max(each.injected, each.least) for each in found)
        put_in, fired = sum(each.injected for each in found), sum(each.fired for each in found)
        yield name, f"{fired} of {put_in} fired" if seen else ""
