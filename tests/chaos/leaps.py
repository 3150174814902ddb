"""Numbers that training goes on with: a KL that leaps is told at once, a metric that is not finite is never hidden."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from latentia.encoders import LSTMEncoder
from latentia.evaluation.diagnosis import Evidence, History
from latentia.evaluation.diagnosis.training import numerical_trouble
from latentia.objectives import Objective
from latentia.recipes import load_recipe
from latentia.recipes.runs import records_of, start_run
from latentia.records import ModelRun, Terms
from latentia.training import loop
from latentia.training.alarm import FEWEST
from latentia.training.loop import Trainer
from tests.chaos.report import Tally
from tests.chaos.training import PLANS, QUIET, SMALL, corpus

FACTOR, FAR = 1e3, 100.0
"""By what the means of codes are multiplied, and times its largest value that the KL surely is then."""
STEPS = 60
POISONED = 50
"""Records of a run of so many steps in which a number is not finite."""

STEADY = [
    ("training.epochs", 40),
    ("training.max_steps", STEPS),
    ("training.optimizer.learning_rate", 1e-4),
    ("training.stopping.patience", 0),
]
HIDING = ("kl", "reconstruction")
"""What every objective has beside its cost; it is recorded, and nothing is learnt from the record."""


def tally(home: Path, count: int, runs: int, seed: int) -> Iterator[Tally]:
    """Let the KL leap in so many runs, of each plan in turn; and poison metrics of some runs."""
    chance, plans = random.Random(seed), list(PLANS)
    leaps = Tally("the KL of a step leaps", count)
    for number in range(count):
        wrong, fired = leapt(home, plans[number % len(plans)], chance.randrange(FEWEST + 2, STEPS - 1))
        leaps.add(wrong, fired=fired)
    yield leaps
    hidden = Tally("a metric is not finite", runs * POISONED)
    for _ in range(runs):
        for wrong, fired in poisoned(home, chance):
            hidden.add(wrong, fired=fired)
    yield hidden


def _train(home: Path, plan: str) -> Path:
    """Train a run whose KL is steady, from weights at which its encoder says something."""
    folder, (recipe, settings) = home / "leaping", PLANS[plan]
    shutil.rmtree(folder, ignore_errors=True)
    start_run(corpus(home), load_recipe(recipe).with_settings([*SMALL, *settings, *STEADY]), folder, 1, QUIET)
    return folder


def leapt(home: Path, plan: str, step: int) -> tuple[str, bool]:
    """Multiply what the encoder gives at one step; say what is wrong with what was told, and whether the KL leapt."""
    infer, begin, trainers, met = LSTMEncoder.forward, Trainer.__init__, list[Trainer](), list[float]()
    record = Trainer._record

    def noted(self: Trainer, *arguments: Any) -> None:
        begin(self, *arguments)
        trainers.append(self)

    def multiplied(self: LSTMEncoder, *arguments: Any, **named: Any) -> Any:
        posterior = infer(self, *arguments, **named)
        mean, *others = posterior.parameters
        here = self.training and trainers[0].progress.step == step
        return posterior.with_parameters((mean + 1) * FACTOR, *others) if here else posterior

    def heard(self: Trainer, batch: Any, terms: Terms, *others: Any) -> None:
        met.append(terms.parts["kl"].detach().mean().item())
        record(self, batch, terms, *others)

    with (
        patch.object(Trainer, "__init__", noted),
        patch.object(LSTMEncoder, "forward", multiplied),
        patch.object(Trainer, "_record", heard),
    ):
        folder = _train(home, plan)
    told = [each["step"] for each in records_of(folder) if each["split"] == "leap"]
    fired = len(met) > step and met[step - 1] > FAR * max(met[: step - 1])
    return "" if told == [step] else f"{plan}: the KL leapt at step {step}, and was told at {told}", fired


def poisoned(home: Path, chance: random.Random) -> Iterator[tuple[str, bool]]:
    """Make a metric of some steps not finite, each step its own record; say which of them were hidden."""
    places = {step: chance.choice(HIDING) for step in chance.sample(range(STEPS), POISONED)}
    values = {step: chance.choice([math.nan, math.inf, -math.inf]) for step in places}
    with patch.object(Objective, "__call__", _spoiling(places, values)), patch.object(loop, "LOG_EVERY", 1):
        folder = _train(home, "plain")
    records = records_of(folder)
    shown = {each["step"]: each for each in records if each["split"] == "train"}
    board, counted = _on_board(folder), _counted(records)
    for step, name in places.items():
        where = {"the records": shown.get(step + 1, {}).get(name, 0.0), "the board": board[name].get(step + 1, 0.0)}
        hiding = [place for place, value in where.items() if math.isfinite(value)]
        wrong = f"{name} of step {step} is hidden in {hiding[0]}" if hiding else ""
        yield wrong or ("" if counted == POISONED else f"{counted} of {POISONED} were counted"), step + 1 in shown


def _spoiling(places: dict[int, str], values: dict[int, float]) -> Callable[..., Terms]:
    scored = Objective.__call__

    def score(objective: Objective, run: ModelRun, at: int) -> Terms:
        terms = scored(objective, run, at)
        if at not in places or not torch.is_grad_enabled():
            return terms
        part = torch.full_like(terms.parts[places[at]], values[at])
        return replace(terms, parts={**terms.parts, places[at]: part})

    return score


def _on_board(folder: Path) -> dict[str, dict[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(folder / "tensorboard"))
    shown.Reload()
    return {name: {each.step: each.value for each in shown.Scalars(f"train/{name}")} for name in HIDING}


def _counted(records: list[dict[str, Any]]) -> int:
    """Return how many records a diagnosis says are not finite."""
    verdict = numerical_trouble(Evidence({}, History(records, STEPS, STEPS, finished=True, passes=1.0, lines=1)))
    return int(dict(verdict.facts)["records that are not finite"]) if verdict else 0
