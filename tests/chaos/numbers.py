"""A loss or a gradient that is not finite stops the run before the update, its batch kept; a validation after it."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch

from latentia.errors import NumericalError
from latentia.objectives import Objective
from latentia.records import Batch, ModelRun, Terms
from latentia.training.loop import Trainer
from tests.chaos.report import Tally
from tests.chaos.training import PLANS, start

KINDS = ("loss is nan", "loss is inf", "gradient is nan", "gradient is inf", "validation is nan", "validation is inf")
SEVERAL = {"lagging": 5, "critic first": 15}
"""Plans with several updates a step, on batches of their own, and the first steps in which they surely are."""


def tally(home: Path, count: int, seed: int) -> Iterator[Tally]:
    """Poison a run of each plan at a random step, again and again."""
    counts, generator = Tally("loss, gradient or validation is not finite", count), random.Random(seed)
    plans = list(PLANS)
    for number in range(count):
        plan, kind = plans[number % len(plans)], KINDS[(number + number // len(plans)) % len(KINDS)]
        nth = generator.randint(1, 2) if plan in SEVERAL else 1
        wrong, fired = poisoned(home, generator.randrange(SEVERAL.get(plan, 15)), kind, plan, nth)
        counts.add(wrong and f"{plan}, {kind}, update {nth}: {wrong}", fired=fired)
    yield counts


def poisoned(home: Path, step: int, kind: str = "loss is nan", plan: str = "plain", nth: int = 1) -> tuple[str, bool]:
    """Poison the n-th update of a step; say what is wrong, and whether a number was met that is not finite.

    Nothing is wrong if the run stopped before the update, with its batch kept.
    """
    folder, poison = home / "poisoned", _Poison(step, kind, nth)
    shutil.rmtree(folder, ignore_errors=True)
    with patch.object(Objective, "__call__", poison.scoring()), patch.object(Trainer, "_descend", poison.descending()):
        try:
            start(home, plan, folder)
        except NumericalError as error:
            check = _wrong_with_validation if kind.startswith("validation") else poison.wrong_with
            return check(folder, str(error)), any(poison.met)
    return f"{kind} at step {step} stopped nothing", any(poison.met)


class _Poison:
    """Spoils a number of one update, or of each validation, and notes what the update began with."""

    def __init__(self, step: int, kind: str, nth: int) -> None:
        self.step, self.kind, self.nth = step, kind, nth
        self.met: list[bool] = []
        self.updates = 0
        self.weights: list[list[torch.Tensor]] = []
        self.rows: list[int] = []
        self.texts: list[str] = []

    def _spoilt(self, numbers: torch.Tensor) -> torch.Tensor:
        worse = numbers * float(self.kind.split()[-1])
        self.met.append(not bool(worse.isfinite().all()))
        return worse

    def scoring(self) -> Callable[..., Terms]:
        """A validation has no gradients."""
        scored = Objective.__call__

        def score(objective: Objective, run: ModelRun, at: int) -> Terms:
            terms = scored(objective, run, at)
            bad = self.kind.startswith("validation") and not torch.is_grad_enabled()
            return replace(terms, loss=self._spoilt(terms.loss)) if bad else terms

        return score

    def descending(self) -> Callable[..., None]:
        """An update has a loss, from which the gradients come."""
        descended = Trainer._descend

        def descend(trainer: Trainer, loss: torch.Tensor, batch: Batch, frozen: str = "") -> None:
            self.updates += trainer.step == self.step
            if trainer.step != self.step or self.updates != self.nth or self.kind.startswith("validation"):
                return descended(trainer, loss, batch, frozen)
            self.rows = batch.index.tolist()
            self.texts = [trainer.loader.corpus.text(row) for row in self.rows]
            self._note(trainer)
            if self.kind.startswith("gradient"):
                for weight in trainer.plain_model.parameters():
                    weight.register_hook(self._spoilt)
            try:
                return descended(trainer, self._spoilt(loss) if self.kind.startswith("loss") else loss, batch, frozen)
            finally:
                self._note(trainer)

        return descend

    def _note(self, trainer: Trainer) -> None:
        self.weights.append([weight.detach().clone() for weight in trainer.plain_model.parameters()])

    def wrong_with(self, folder: Path, said: str) -> str:
        """Say what changed, or which batch was kept instead of that of the update."""
        if f"step {self.step} has loss" not in said:
            return f"it said {said}"
        if not all(map(torch.equal, *self.weights)):
            return "weights changed"
        kept = json.loads((folder / "diverged" / f"step-{self.step:08d}.json").read_text())
        right = self.rows and kept["rows"] == self.rows and kept["texts"] == self.texts
        return "" if right else f"rows {kept['rows']} were kept, and {self.rows} were under way"


def _wrong_with_validation(folder: Path, said: str) -> str:
    """The steps before it are kept, and the checkpoint waits for it."""
    found = re.search(r"the validation after step (\d+) has loss", said)
    if found is None:
        return f"it said {said}"
    kept = folder / "checkpoints" / f"step-{int(found[1]):08d}-unvalidated"
    return "" if kept.is_dir() else f"{kept.name} is not there"
