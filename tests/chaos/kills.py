"""Training is killed again and again, and restarted until it is done: it must end as if nobody had touched it."""

from __future__ import annotations

import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from latentia.cli import main
from latentia.training.checkpoint import Checkpoints
from latentia.training.loop import Trainer
from tests.chaos.children import Child, Outcome, run
from tests.chaos.faults import ERRORS, SAVING, Fault
from tests.chaos.report import Tally
from tests.chaos.training import PLANS, difference, start_or_resume, uninterrupted

RESTARTS = 12
LONGEST_EXIT = 10.0
TRIES = 4
"""Runs that are asked to stop for each that has to: a signal may come when one has ended."""

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def kill_at_random(home: Path, count: int, seed: int) -> Iterator[Tally]:
    """Kill runs one to three times each, half of the kills at a random time, half at a random call of a save."""
    timed, inside = Tally("SIGKILL at a random time"), Tally("SIGKILL inside a save")
    beside = Tally("SIGKILL inside another write")
    errors = Tally("disk fails while training")
    generator = random.Random(seed)
    plans = {plan: uninterrupted(home, plan) for plan in PLANS}
    number = 0
    while number < 20 + 3 * count and (
        inside.fired + timed.fired + beside.fired < count or not (inside.fired and timed.fired and errors.fired)
    ):
        plan = list(plans)[number % len(plans)]
        number += 1
        folder = home / "killed"
        shutil.rmtree(folder, ignore_errors=True)
        fired = list(_disturbances(home, plan, folder, generator))
        wrong = _finish(home, plan, folder) or difference(folder, plans[plan])
        for kind in fired:
            tally = {"timed": timed, "inside": inside, "beside": beside}.get(kind, errors)
            tally.add(f"{plan}, {fired}: {wrong}" if wrong else "")
    timed.note = f"{number} runs of {len(plans)} plans, every tensor compared with no tolerance"
    yield from (timed, inside, beside, errors)


def _disturbances(home: Path, plan: str, folder: Path, generator: random.Random) -> Iterator[str]:
    """Disturb a run one to three times; yield the kind of each that was felt."""
    for _ in range(generator.randint(1, 3)):
        kind = generator.choice(["timed", "inside", "inside", "error"])
        fault = Fault()
        if kind == "inside":
            fault = Fault(generator.choice(["killed before", "killed after", "torn"]), generator.randint(1, 300))
        elif kind == "error":
            fault = Fault(generator.choice(list(ERRORS)), generator.randint(60, 300))
        child = Child(partial(start_or_resume, home, plan, folder), folder, fault, home)
        if kind == "timed":
            time.sleep(generator.uniform(0.0, 1.5))
            if not child.ended():
                child.send()
        outcome = child.wait()
        if outcome.code == -9 or (kind == "error" and outcome.fired):
            yield "beside" if kind == "inside" and SAVING not in outcome.fired else kind
        if outcome.code not in (-9, 0, 2, 74):
            yield f"{kind}, then exit code {outcome.code}: {outcome.said[-300:]}"


def _finish(home: Path, plan: str, folder: Path) -> str:
    """Restart until it is done; say what hindered it."""
    for _ in range(RESTARTS):
        outcome = run(partial(start_or_resume, home, plan, folder), folder, home)
        if outcome.code == 0:
            return ""
    return f"exit code {outcome.code}: {outcome.said[-300:]}"


def signals(home: Path, count: int, seed: int) -> Iterator[Tally]:
    """Ask runs to stop: they save, exit in time with the code that is documented, and end as if nobody had."""
    once, twice = Tally("signal asks to stop"), Tally("two signals ask to stop")
    generator = random.Random(seed)
    whole = uninterrupted(home, "plain")
    slowest = 0.0
    for number in range(TRIES * count):
        if once.injected + twice.injected == count:
            break
        tally = twice if number % 4 == 3 else once
        sent = generator.choice(list(CODES))
        folder = home / "asked"
        shutil.rmtree(folder, ignore_errors=True)
        outcome, seconds = _asked(home, folder, sent, generator, twice=tally is twice)
        if outcome.code == 0:
            continue  # it may have ended of itself
        slowest = max(slowest, seconds)
        expected = outcome.code in (CODES[sent], -sent) if tally is twice else outcome.code == CODES[sent]
        wrong = "" if expected else f"{sent!r}: exit code {outcome.code}: {outcome.said[-300:]}"
        wrong = wrong or (f"{seconds:.1f} s" if seconds > LONGEST_EXIT else "")
        wrong = wrong or _unsaved(outcome, folder, tally is twice)
        tally.add(wrong or _finish(home, "plain", folder) or difference(folder, whole))
    # A program that heeds no signal ends of itself every time.
    if (stopped := once.injected + twice.injected) < count:
        once.failures.append(f"{stopped} of {TRIES * count} runs that were asked to stop did, {count} were wanted")
    once.note = f"slowest exit {slowest:.1f} s"
    yield from (once, twice)


def _unsaved(outcome: Outcome, folder: Path, twice: bool) -> str:
    """Say where a run that told of a save has none."""
    told = "interrupted and saved" in outcome.said
    if told and (folder / "checkpoints").exists() and not Checkpoints(folder).newest().step:
        return "called saved, and no step is"
    return "" if told or twice or "interrupted at once" in outcome.said else f"it said {outcome.said[-200:]}"


def _asked(home: Path, folder: Path, sent: int, generator: random.Random, twice: bool) -> tuple[Outcome, float]:
    """Start the command in a child, and send it a signal at a random time, or two."""
    child = Child(partial(_command, home, folder), folder, Fault(), home)
    while not (folder / "run.lock").exists() and not child.ended():
        time.sleep(0.005)
    time.sleep(generator.uniform(0.0, 1.2))
    begin = time.monotonic()
    for _ in range(1 + twice):
        if not child.ended():
            child.send(sent)
        time.sleep(0.02)
    outcome = child.wait()
    return outcome, time.monotonic() - begin


def _command(home: Path, folder: Path) -> None:
    """Be ``latentia train``, with steps slow enough to be met by a signal."""
    original = Trainer._step

    def slow(self: Trainer, *arguments: object) -> None:
        time.sleep(0.02)
        original(self, *arguments)

    Trainer._step = slow
    from tests.chaos.training import SMALL

    _, settings = PLANS["plain"]
    sets = [part for key, value in (*SMALL, *settings) for part in ("--set", f"{key}={value}")]
    sys.argv = ["latentia", "train", str(home / "texts.txt"), "--out", str(folder), *sets]
    main()
