"""Faults of resuming and saving that other trainers had; docs/reliability.md lists the test of each."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from latentia.errors import RunError
from latentia.recipes.runs import open_run, resume_run, training_rows
from latentia.training.checkpoint import Checkpoints, Progress
from latentia.training.loop import Trainer
from tests.chaos.training import QUIET, difference, result, start
from tests.chaos.training import start_or_resume as go_on
from tests.chaos.watching import Note, Sitting, misread

EPOCHS = 3

Whole = tuple[dict[str, object], Sitting, list[int]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("known bugs")


@pytest.fixture(scope="module")
def wholes(home: Path) -> Callable[[str], Whole]:
    """Runs that nobody stopped: what they leave, their batches, and their rows."""
    found: dict[str, Whole] = {}

    def whole(plan: str) -> Whole:
        if plan not in found:
            folder = home / f"whole {plan}"
            sitting = noted(home, lambda: start(home, plan, folder))
            found[plan] = result(folder), sitting, training_rows(folder)[1].tolist()
        return found[plan]

    return whole


@pytest.fixture
def folder(home: Path) -> Iterator[Path]:
    yield home / "run"
    shutil.rmtree(home / "run", ignore_errors=True)


def noted(home: Path, work: Callable[[], object]) -> Sitting:
    """Do something, and return the batches that were trained on."""
    with Note(home / "noted").taken():
        work()
    return Sitting.of(home / "noted")


def stopped(work: Callable[[], object], step: int, within: str = "_step") -> None:
    """Do something that trains, and ask it to stop in the course of a step."""
    original, asked = getattr(Trainer, within), []

    def ask(self: Trainer, *arguments: object, **options: object) -> object:
        if self.progress.step == step and not asked:
            asked.append(step)
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *arguments, **options)

    with patch.object(Trainer, within, ask):
        work()


@pytest.mark.parametrize(  # step 6 ends an epoch
    ("plan", "steps"), [("plain", (6,)), ("plain", (8, 9, 11)), ("denoising", (4, 5))], ids=str
)
def test_each_row_comes_once_an_epoch_however_often_a_run_is_stopped(home, wholes, folder, plan, steps):
    whole, sitting, rows = wholes(plan)
    sittings = [noted(home, lambda step=step: stopped(lambda: go_on(home, plan, folder), step)) for step in steps]
    sittings.append(noted(home, lambda: go_on(home, plan, folder)))
    assert [max(each.rows) for each in sittings] == [*steps, max(sitting.rows)]
    assert not misread(sittings, rows, EPOCHS)
    assert {step: taken for each in sittings for step, taken in each.rows.items()} == sitting.rows
    assert not difference(folder, whole)


def test_no_epoch_has_the_order_of_another(wholes):
    sitting = wholes("plain")[1]
    orders = [[row for of, rows in sitting.rows.values() if of == epoch for row in rows] for epoch in range(EPOCHS)]
    assert orders[0] != orders[1] != orders[2] != orders[0]


@pytest.mark.parametrize("step", [4, 6])
def test_a_resume_hangs_on_no_random_numbers_of_the_process(home, wholes, folder, step):
    """Whoever has drawn from the generators of Python, NumPy or PyTorch, before or after the resume."""
    stopped(lambda: start(home, "plain", folder), step)
    batches = Trainer._batches

    def disturb() -> None:
        random.seed(step)
        np.random.seed(step)  # noqa: NPY002 - the generator that others draw from
        torch.manual_seed(step)

    def disturbed(self: Trainer, *arguments: object) -> Iterator[object]:
        for batch in batches(self, *arguments):
            disturb()
            yield batch

    disturb()
    with patch.object(Trainer, "_batches", disturbed):
        assert resume_run(folder, QUIET)
    assert not difference(folder, wholes("plain")[0])


def scheduled(work: Callable[[], object], seen: dict[int, list[tuple[float, float]]]) -> None:
    """Do something that trains; note the learning rate and the KL weight of each update, by its step."""
    update = Trainer.update

    def note(self: Trainer, *arguments: object, **options: object) -> object:
        rate = self.optimizer.param_groups[0]["lr"]
        seen[self.step].append((rate, self.objective.weight_at(self.step)))
        return update(self, *arguments, **options)

    with patch.object(Trainer, "update", note):
        work()


def test_rates_and_weights_are_those_of_the_step_whenever_it_is_taken(home, wholes, folder):
    """Under a plan of several updates a step, all of one step have the same."""
    whole, taken = defaultdict(list), defaultdict(list)
    again = home / "again"
    scheduled(lambda: start(home, "lagging", again), whole)
    scheduled(lambda: stopped(lambda: start(home, "lagging", folder), 6), taken)
    scheduled(lambda: stopped(lambda: resume_run(folder, QUIET), 9), taken)
    scheduled(lambda: resume_run(folder, QUIET), taken)
    assert taken == whole
    assert all(len({*each}) == 1 for each in whole.values())
    assert max(len(each) for each in whole.values()) > 1
    rates, weights = zip(*(each[0] for _, each in sorted(whole.items())), strict=True)
    assert list(rates) == sorted({*rates}, reverse=True)
    assert len({*weights}) > 1
    assert not difference(folder, result(again))


def test_a_step_of_several_updates_is_saved_whole_or_not_at_all(home, wholes, folder):
    stopped(lambda: start(home, "lagging", folder), 3, within="update")
    assert Checkpoints(folder).newest().step == 3
    assert resume_run(folder, QUIET)
    assert not difference(folder, wholes("lagging")[0])


def test_patience_goes_on_where_it_was(home, folder):
    stopping = (
        ("training.epochs", 40),
        ("training.stopping.patience", 2),
        ("training.optimizer.learning_rate", 1.0),
        ("objective.weight", {"kind": "Constant", "value": 1.0}),
    )
    start(home, "plain", home / "patient", *stopping)
    whole = result(home / "patient")
    last = Checkpoints(home / "patient").newest()
    assert last.step < 40 * 6
    assert last.waited == 2
    stopped(lambda: start(home, "plain", folder, *stopping), last.step - 3)
    assert Checkpoints(folder).newest().waited == 1
    assert resume_run(folder, QUIET)
    assert not difference(folder, whole)


@pytest.mark.parametrize(("before", "after"), [("batch_size: 8", "batch_size: 4"), ("epochs: 3", "epochs: 9")])
def test_a_recipe_that_was_changed_within_a_run_is_refused(home, folder, before, after):
    stopped(lambda: start(home, "plain", folder), 4)
    recipe = (folder / "recipe.yaml").read_text()
    assert recipe.count(before) == 1
    (folder / "recipe.yaml").write_text(recipe.replace(before, after))
    with pytest.raises(RunError, match=r"recipe\.yaml"):
        resume_run(folder, QUIET)


def test_the_newest_checkpoints_are_kept_whatever_the_times_of_their_files(tmp_path):
    model = nn.Linear(2, 2)
    checkpoints, optimizer = Checkpoints(tmp_path), torch.optim.AdamW(model.parameters())
    for step in (1, 2, 30, 100):
        checkpoints.save(model, optimizer, Progress(step=step))
        os.utime(tmp_path / "checkpoints" / f"step-{step:08d}", (10**9 / step, 10**9 / step))
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["step-00000030", "step-00000100"]
    assert checkpoints.newest().step == 100


@pytest.mark.parametrize(
    "holds", [[], ["model.safetensors"], ["model.safetensors", "optimizer.safetensors", "state.json"]]
)
def test_a_folder_that_is_no_whole_checkpoint_is_not_taken_for_the_newest(home, wholes, folder, holds):
    stopped(lambda: start(home, "plain", folder), 8)
    places = folder / "checkpoints"
    (places / "step-00000099").mkdir()
    for name in holds:
        shutil.copy(places / "step-00000008" / name, places / "step-00000099")
    assert Checkpoints(folder).newest().step == 8
    assert resume_run(folder, QUIET)
    assert not difference(folder, wholes("plain")[0])


def test_weights_that_someone_has_mapped_stay_as_they_are_when_they_are_replaced(home, folder):
    stopped(lambda: start(home, "plain", folder), 5)
    model = open_run(folder)[0]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with safe_open(folder / "model.safetensors", "pt") as mapped:
        names = list(mapped.keys())
        assert resume_run(folder, QUIET)
        assert all(torch.equal(mapped.get_tensor(name), before[name]) for name in names)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    after = open_run(folder)[0].state_dict()
    assert not all(torch.equal(after[name], before[name]) for name in names)
