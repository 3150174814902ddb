"""A loss or a gradient that is not finite stops the run before the step, its batch kept; a validation after it."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch

from latentia.errors import NumericalError
from latentia.objectives import Objective
from latentia.records import ModelRun, Terms
from latentia.training.loop import Trainer
from tests.chaos.report import Tally
from tests.chaos.training import start

KINDS = ("loss is nan", "loss is inf", "gradient is nan", "gradient is inf", "validation is nan", "validation is inf")


def tally(home: Path, count: int, seed: int) -> Iterator[Tally]:
    """Poison a run at a random step, again and again."""
    counts, generator = Tally("loss, gradient or validation is not finite", count), random.Random(seed)
    for number in range(count):
        wrong, fired = poisoned(home, generator.randint(0, 14), KINDS[number % len(KINDS)])
        counts.add(wrong, fired=fired)
    yield counts


def poisoned(home: Path, step: int, kind: str = "loss is nan") -> tuple[str, bool]:
    """Poison a step; say what is wrong, and whether a number was met that is not finite.

    Nothing is wrong if the run stopped before the step, with its batch kept.
    """
    met: list[bool] = []
    wrong = _poisoned(home / "poisoned", home, step, kind, met)
    return wrong, any(met)


def _poisoned(folder: Path, home: Path, step: int, kind: str, met: list[bool]) -> str:
    felt = list[list[torch.Tensor]]()
    shutil.rmtree(folder, ignore_errors=True)
    value = float(kind.split()[-1])
    scored, stepped = Objective.__call__, Trainer._step

    def score(self: Objective, run: ModelRun, at: int) -> Terms:
        terms = scored(self, run, at)
        # A validation has no gradients, and the number of the step before it.
        trained = torch.is_grad_enabled()
        bad = trained and at == step if kind.startswith("loss") else not trained and kind.startswith("validation")
        return replace(terms, loss=spoilt(terms.loss)) if bad else terms

    def spoilt(numbers: torch.Tensor) -> torch.Tensor:
        worse = numbers * value
        met.append(not bool(worse.isfinite().all()))
        return worse

    def take(self: Trainer, *arguments: object) -> None:
        if self.step == step:
            felt.append([weight.detach().clone() for weight in self.plain_model.parameters()])
            if kind.startswith("gradient"):
                next(self.plain_model.parameters()).register_hook(spoilt)
        try:
            stepped(self, *arguments)
        finally:
            if self.step == step:
                felt.append([weight.detach().clone() for weight in self.plain_model.parameters()])

    with patch.object(Objective, "__call__", score), patch.object(Trainer, "_step", take):
        try:
            start(home, "plain", folder)
        except NumericalError as error:
            if kind.startswith("validation"):
                return _wrong_with_validation(folder, str(error))
            return _wrong_with(folder, felt, step, str(error))
    return f"{kind} at step {step} stopped nothing"


def _wrong_with(folder: Path, felt: list[list[torch.Tensor]], step: int, said: str) -> str:
    if f"step {step} has loss" not in said:
        return f"it said {said}"
    if not all(map(torch.equal, *felt)):
        return "weights changed"
    kept = json.loads((folder / "diverged" / f"step-{step:08d}.json").read_text())
    return "" if kept["texts"] and len(kept["texts"]) == len(kept["rows"]) else "no batch was kept"


def _wrong_with_validation(folder: Path, said: str) -> str:
    """The steps before it are kept, and the checkpoint waits for it."""
    found = re.search(r"the validation after step (\d+) has loss", said)
    if found is None:
        return f"it said {said}"
    kept = folder / "checkpoints" / f"step-{int(found[1]):08d}-unvalidated"
    return "" if kept.is_dir() else f"{kept.name} is not there"
