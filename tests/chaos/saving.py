"""Every call of the operating system in a save fails once, and is once the last: what is left must be whole."""

from __future__ import annotations

import json
import random
import shutil
import signal
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import torch
from torch import nn

from latentia.durable import sweep as sweep_folder
from latentia.durable import vouch
from latentia.errors import LatentiaError, StorageError
from latentia.training.checkpoint import Checkpoints, Progress
from latentia.training.observers import Metrics
from latentia.training.weights import read_tensors, save_weights
from tests.chaos import unread
from tests.chaos.children import UNTYPED, Outcome
from tests.chaos.faults import CUTS, DEATHS, ERRORS, FULL, KINDS, READING, ROOM, Disk, Fault
from tests.chaos.report import Tally

RECORDS = "metrics.jsonl"

TELLING = ("power cut, names lost", "power cut", "torn", "EIO")
"""Ways of disturbing a save that any defect shows in."""

LEAST = 400
"""Faults of a whole sweep at the least, errors and deaths: each of about fifty calls of two saves, in each way."""

BEFORE, AFTER = 2, 3
"""Steps of the newest checkpoint before and after the save that is disturbed."""


def parts(step: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A model and an optimiser whose numbers all tell the step."""
    torch.manual_seed(step)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


def save(folder: Path, step: int) -> None:
    """Save as training does at a validation."""
    model, optimizer = parts(step)
    watch = SimpleNamespace(path=folder / RECORDS, board=Mock())
    Metrics.write(watch, "validation", {"step": step, "loss": 1.0})
    save_weights(model, folder)
    Checkpoints(folder).save(model, optimizer, Progress(step=step, memory={"step": float(step)}))


def template(folder: Path, settings: str = "") -> Path:
    """A run folder with two checkpoints."""
    folder.mkdir()
    for name in ("recipe.yaml", "run.json", "tokenizer.json"):
        (folder / name).write_text(name + settings)
    vouch(folder, ("recipe.yaml", "run.json", "tokenizer.json"))
    for step in (1, BEFORE):
        save(folder, step)
        vouch(folder, ("model.safetensors",))
    return folder


def first_template(folder: Path) -> Path:
    """A run folder with weights that never had a checkpoint."""
    shutil.rmtree(template(folder) / "checkpoints")
    return folder


def wrong_with(folder: Path, outcome: Outcome, fault: Fault, before: int = BEFORE) -> str:
    """Say what a disturbed save has left that it may not leave; nothing if all is well.

    ``before`` is the step of the newest checkpoint that was there, 0 for none.
    """
    try:
        return _wrong_with(folder, outcome, fault, before)
    except LatentiaError as error:
        return f"{fault} at {outcome.fired.strip()}: {error}"


def _wrong_with(folder: Path, outcome: Outcome, fault: Fault, before: int) -> str:
    where = f"{fault} at {outcome.fired.strip()}: "
    if fault.kind not in DEATHS and outcome.code not in (0, StorageError.exit_code):
        return f"{where}exit code {outcome.code}: {outcome.said[-300:]}"
    weights = read_tensors(folder / "model.safetensors")["weight"]
    step = next((step for step in (BEFORE, AFTER) if torch.equal(weights, parts(step)[0].weight)), 0)
    checkpoints = Checkpoints(folder)
    sweep_folder(checkpoints.folder)
    model, optimizer = parts(9)
    progress = checkpoints.restore(model, optimizer)
    if checkpoints.damage:
        return f"{where}a torn checkpoint under its name: {checkpoints.damage[0]}"
    found = progress.step if progress else 0
    if found not in (before, AFTER) or (progress and progress.memory != {"step": float(found)}):
        return f"{where}step {found} in the newest checkpoint"
    expected = parts(found or 9)
    if not all(map(torch.equal, _numbers(model, optimizer), _numbers(*expected))):
        return f"{where}the checkpoint of step {found} holds other numbers"
    if lost := _records_lost(folder, found):
        return f"{where}{lost}"
    if step == 0 or step < found:
        return f"{where}weights of step {step} beside a checkpoint of step {found}"
    if outcome.code == 0 and not found == step == AFTER:
        return f"{where}called saved, and steps {step} and {found} are there"
    return ""


def _records_lost(folder: Path, step: int) -> str:
    """Say which records of validations are not there that the checkpoint of a step says were done."""
    found = set()
    for line in (folder / RECORDS).read_text().splitlines():
        with suppress(ValueError):  # the last may be torn
            found.add(json.loads(line)["step"])
    missing = {1, BEFORE, step} - found - {0}
    return f"no records of steps {sorted(missing)}" if missing else ""


def _numbers(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """Weights and moments, in an order of their own."""
    moments = [
        optimizer.state[weight][name] for weight in model.parameters() for name in ("step", "exp_avg", "exp_avg_sq")
    ]
    return [*model.parameters(), *moments]


def disturbed(home: Path, source: Path, fault: Fault) -> tuple[Path, Outcome]:
    """Disturb one save of a copy of a run folder."""
    folder = home / "run"
    for left in home.glob("run*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    shutil.copytree(source, folder)
    disk, code, said = Disk(folder, fault), UNTYPED, ""
    try:
        with disk.installed():
            save(folder, AFTER)
            code = 0
    except LatentiaError as error:
        code, said = error.exit_code, str(error)
    except Exception:  # noqa: BLE001 - whatever it is, it is told
        code, said = UNTYPED, traceback.format_exc()
    return folder, Outcome(-signal.SIGKILL if disk.dead else code, disk.fired, said, 0.0)


def sweep(
    home: Path, source: Path, share: float, seed: int = 0, kinds: Sequence[str] = KINDS
) -> Iterator[tuple[Fault, str, bool]]:
    """Disturb a save at each call (or a share of them) in each way.

    Say what is wrong with what is left, and whether there is evidence of the fault.
    """
    generator = random.Random(seed)
    names = calls_of_a_save(home, source)
    calls, last = len(names), max(place for place, name in enumerate(names, start=1) if name in ROOM)
    before = Checkpoints(source).newest().step
    for fault in (Fault(kind, at) for kind in kinds for at in range(1, calls + 1 + (kind in CUTS))):
        if generator.random() < share:
            if fault.at <= calls and names[fault.at - 1] in READING and fault.kind in ERRORS and fault.kind != "EIO":
                continue  # what is read fails in one way
            folder, outcome = disturbed(home, source, fault)
            if not outcome.fired and fault.kind == FULL and fault.at > last:
                continue  # behind the last call that asks for room
            yield fault, wrong_with(folder, outcome, fault, before), outcome.felt(fault)


def calls_of_a_save(home: Path, source: Path) -> list[str]:
    """Name the calls of a save that nothing disturbs."""
    folder = home / "run"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    disk = Disk(folder, Fault())
    with disk.installed():
        save(folder, AFTER)
    return disk.names


def tally(home: Path, share: float, seed: int = 0) -> Iterator[Tally]:
    """Count what is survived, by errors and by deaths."""
    least = LEAST if share == 1.0 else 1
    errors, deaths = Tally("system call of a save fails", least), Tally("process or power dies in a save", least)
    for source in (template(home / "template"), first_template(home / "first template")):
        for fault, wrong, fired in sweep(home, source, share, seed):
            (deaths if fault.kind in DEATHS else errors).add(wrong, fired=fired)
    yield errors
    yield deaths
    (home / "unread").mkdir()
    yield from unread.tally(home / "unread", share, seed)
