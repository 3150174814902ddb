"""Training is killed again and again, and restarted until it is done: it must end as if nobody had touched it."""

from __future__ import annotations

import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import ceil
from mmap import mmap
from pathlib import Path

from latentia.cli import main
from latentia.training.checkpoint import Checkpoints
from latentia.training.loop import Trainer
from tests.chaos.children import Child, Outcome, run
from tests.chaos.faults import CELLS, ERRORS, SAVING, STEPPED, Fault, count_at, set_count
from tests.chaos.report import Tally
from tests.chaos.training import PLANS, SMALL, difference, start, start_or_resume, uninterrupted

LONGEST_EXIT, LONGEST_SECOND = 10.0, 2.0
"""Seconds to end in after one signal, and after two."""

TIMED, INSIDE = 0.3, 0.2
"""Shares of the kills that have to be at random times, and inside a save."""

PATIENCE = 30.0
"""Seconds after which no end is waited for."""

FEWEST = 20
"""Calls that a run must have before it for a fault to be put among them."""
TRIES = 4
"""Runs that are asked to stop for each that has to: a signal may come when one has ended."""

ENDS = {"error": (0, 2, 74)}
"""Exit codes of runs that met an error of the disk; others end of themselves, or are killed."""

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def kill_at_random(home: Path, count: int, seed: int) -> Iterator[Tally]:
    """Kill runs one to three times each: at random times, at random calls of a save, and of other writing.

    So many runs are killed as give the least of each kind; runs meet errors of the disk among the kills.
    """
    felt = {
        "timed": Tally("SIGKILL at a random time", ceil(TIMED * count)),
        "inside": Tally("SIGKILL inside a save", ceil(INSIDE * count)),
        "beside": Tally("SIGKILL inside another write", 1),
        "error": Tally("disk fails while training", 1),
    }
    generator = random.Random(seed)
    plans = {plan: _Whole.of(home, plan) for plan in PLANS}
    number = 0
    while number < 20 + 3 * count and (
        _kills(felt) < count or any(each.injected < each.least for each in felt.values())
    ):
        plan = list(plans)[number % len(plans)]
        number += 1
        folder = home / "killed"
        shutil.rmtree(folder, ignore_errors=True)
        done = list(_disturbances(home, plan, folder, plans[plan], generator))
        wrong = next((each.wrong for each in done if each.wrong), "")
        wrong = wrong or _finish(home, plan, folder) or difference(folder, plans[plan].result)
        for each in done:
            felt[each.kind].add(wrong and f"{plan}, {[each.kind for each in done]}: {wrong}", fired=each.fired)
    if _kills(felt) < count:
        felt["timed"].failures.append(f"{_kills(felt):,} kills, {count:,} wanted")
    felt["timed"].note = f"{number} runs of {len(plans)} plans, every tensor compared with no tolerance"
    yield from felt.values()


def _kills(felt: dict[str, Tally]) -> int:
    return sum(felt[kind].fired for kind in ("timed", "inside", "beside"))


@dataclass(frozen=True)
class _Whole:
    """A run that nobody stopped: what it leaves, how long it takes and how many calls it makes."""

    result: dict[str, object]
    seconds: float
    calls: int

    @classmethod
    def of(cls, home: Path, plan: str) -> _Whole:
        expected = uninterrupted(home, plan)  # in this process, so that its children have what it imports
        folder = home / f"counted {plan}"
        outcome = run(partial(start, home, plan, folder), folder, home)
        shutil.rmtree(folder)
        return cls(expected, outcome.seconds, outcome.calls)


@dataclass(frozen=True)
class _Felt:
    """A disturbance: whether there is evidence of it, and what was wrong at once."""

    kind: str
    fired: bool
    wrong: str = ""


def _disturbances(home: Path, plan: str, folder: Path, whole: _Whole, generator: random.Random) -> Iterator[_Felt]:
    """Disturb a run one to three times, as long as it has calls to make; a time that comes after its end is none."""
    left = whole.calls
    for _ in range(generator.randint(1, 3)):
        if left < FEWEST:
            return
        kind = generator.choice(["timed", "timed", "timed", "inside", "inside", "error"])
        fault = Fault()
        if kind != "timed":
            kinds = list(ERRORS) if kind == "error" else ["killed before", "killed after", "torn"]
            first = min(60, left) if kind == "error" else 1
            fault = Fault(generator.choice(kinds), generator.randint(first, left))
        child = Child(partial(start_or_resume, home, plan, folder), folder, fault, home)
        sent = kind == "timed" and _killed_after(child, generator.uniform(0.0, whole.seconds))
        outcome = child.wait()
        left = (left - outcome.calls) // 2  # of those that a resumed run makes again, some are fewer
        wrong = "" if outcome.code in ENDS.get(kind, (0, -signal.SIGKILL)) else _ending(outcome)
        if kind == "timed" and not sent and not wrong:
            continue
        fired = outcome.code == -signal.SIGKILL if sent else outcome.felt(fault)
        yield _Felt("beside" if kind == "inside" and SAVING not in outcome.fired else kind, fired, wrong)


def _killed_after(child: Child, seconds: float) -> bool:
    """Kill a child after some time; tell whether it was alive then."""
    time.sleep(seconds)
    alive = child.halt()
    child.send()
    return alive


def _finish(home: Path, plan: str, folder: Path) -> str:
    """Restart, once and undisturbed; say what hindered it."""
    outcome = run(partial(start_or_resume, home, plan, folder), folder, home)
    return _ending(outcome) if outcome.code else ""


def _ending(outcome: Outcome) -> str:
    return f"exit code {outcome.code}: {outcome.said[-300:]}"


def signals(home: Path, count: int, seed: int) -> Iterator[Tally]:
    """Ask runs to stop: they save, exit in time with the code that is documented, and end as if nobody had."""
    least = count // 3
    once, twice = Tally("signal asks to stop", count - least), Tally("two signals ask to stop", least)
    generator = random.Random(seed)
    whole = uninterrupted(home, "plain")
    total, slowest = _steps_in(whole), 0.0
    for _ in range(TRIES * count):
        tally = once if once.injected < once.least else twice
        if tally.injected == tally.least:
            break
        sent = generator.choice(list(CODES))
        folder = home / "asked"
        shutil.rmtree(folder, ignore_errors=True)
        begun = tally.injected % 4 < 3  # how long a run prepares hangs on the machine: most signals are for its steps
        asked = _asked(home, folder, sent, generator.uniform(0.0, 0.2 if begun else 0.6), 1 + (tally is twice), begun)
        if asked is None:
            continue  # it had ended before
        slowest = max(slowest, asked.seconds)
        wrong = _wrong_with(asked, folder, total) or _finish(home, "plain", folder) or difference(folder, whole)
        tally.add(wrong, fired=asked.heard)
    once.note = f"slowest exit {slowest:.1f} s"
    yield from (once, twice)


@dataclass(frozen=True)
class _Asked:
    """How a run ended that was alive when it was asked to stop."""

    outcome: Outcome
    sent: int
    times: int
    seconds: float
    steps: int
    """Steps that it began after it was asked."""
    stepped: int
    """Steps that it began at all."""

    @property
    def heard(self) -> bool:
        """A handler of the process was called as often, or the signal ended it."""
        return self.outcome.heard.count(self.sent) >= self.times or self.outcome.code == -self.sent


def _steps_in(whole: dict[str, object]) -> int:
    return int(str(whole["name"]).removeprefix("step-"))


def _wrong_with(asked: _Asked, folder: Path, total: int) -> str:
    """Say what is wrong with the end of a run that was asked to stop."""
    outcome, sent = asked.outcome, asked.sent
    ended = asked.stepped == total  # the step under way was its last
    expected = outcome.code in ((CODES[sent], -sent, 0) if ended else (CODES[sent], -sent)[: asked.times])
    if not expected or asked.steps > 1:
        return f"{sent!r}: exit code {outcome.code} after {asked.steps} more steps: {outcome.said[-300:]}"
    if asked.seconds > (LONGEST_EXIT if asked.times == 1 else LONGEST_SECOND):
        return f"{asked.seconds:.1f} s"
    return _unsaved(asked, folder, total)


def _unsaved(asked: _Asked, folder: Path, total: int) -> str:
    """Say which step was lost of a run that was asked to stop: none may be, but by a second signal."""
    said = asked.outcome.said
    told, at_once = "interrupted and saved" in said, "interrupted at once" in said
    if asked.times > 1 and not told:
        return ""
    if not (told or asked.stepped == total or (at_once and not asked.stepped)):
        return f"after {asked.stepped} steps it said {said[-200:]}"
    saved = Checkpoints(folder).newest().step if (folder / "checkpoints").exists() else 0
    return "" if saved == asked.stepped else f"it ended after step {asked.stepped}, and the last saved is {saved}"


def _asked(home: Path, folder: Path, sent: int, after: float, times: int, begun: bool) -> _Asked | None:
    """Start the command in a child, and send it a signal or two while it stands still; nothing if it had ended.

    The time runs from the first step if it has to have ``begun``, otherwise from when the run holds its folder.
    """
    shared = mmap(-1, CELLS)
    child = Child(partial(_command, home, folder, shared), folder, Fault(), home, shared=shared)
    while not (child.count(STEPPED) if begun else (folder / "run.lock").exists()) and not child.ended():
        time.sleep(0.005)
    time.sleep(after)
    for _ in range(times):
        if not child.halt():
            child.wait()
            return None
        steps = child.count(STEPPED)
        child.send(sent)
        child.send(signal.SIGCONT)
        time.sleep(0.02 if times > 1 else 0)
    seconds = _seconds_to_its_end(child)
    outcome = child.wait()
    stepped = child.count(STEPPED)
    return _Asked(outcome, sent, times, seconds, stepped - steps, stepped)


def _seconds_to_its_end(child: Child) -> float:
    """Count the seconds in which this process ran too: a machine that stands still stops no signal."""
    seconds, last = 0.0, time.monotonic()
    while not child.ended() and seconds < PATIENCE:
        time.sleep(0.002)
        now = time.monotonic()
        seconds, last = seconds + min(now - last, 0.05), now
    return seconds


def _command(home: Path, folder: Path, shared: mmap) -> None:
    """Be ``latentia train``, with steps slow enough to be met by a signal."""
    original = Trainer._step

    def slow(self: Trainer, *arguments: object) -> None:
        set_count(shared, STEPPED, count_at(shared, STEPPED) + 1)
        time.sleep(0.02)
        original(self, *arguments)

    Trainer._step = slow
    train(home, folder)


def train(home: Path, folder: Path) -> None:
    """Call ``latentia train``."""
    _, settings = PLANS["plain"]
    sets = [part for key, value in (*SMALL, *settings) for part in ("--set", f"{key}={value}")]
    sys.argv = ["latentia", "train", str(home / "texts.txt"), "--out", str(folder), *sets]
    main()
