"""A KL that leaps is told once, at the step, and changes nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from rich.console import Console

from latentia.data import Columns
from latentia.encoders import LSTMEncoder
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.runs import start_run
from latentia.training import loop
from latentia.training.alarm import FEWEST, MARGIN, QUIET, REMEMBERED, Alarm

SMALL = [
    *((f"model.{side}.{size}", 8) for side in ("encoder", "decoder") for size in ("embedding_dim", "hidden_dim")),
    *(("model.latent_dim", 3), ("training.epochs", 6), ("training.batch_size", 8)),
]
AT, STEPS = 25, 42


def told(kls, later=False):
    """Feed an alarm; return what it tells, step by step, and at last."""
    alarm = Alarm(later)
    found = [leap for step, kl in enumerate(kls) for leap in alarm.after(step, torch.tensor(float(kl)))]
    return [*found, *alarm.look()]


def test_a_leap_is_told_at_its_step_with_the_level_before():
    assert told([5.0] * 30 + [5000.0]) == [(30, 5000.0, 5.0)]


@pytest.mark.parametrize(
    "kls",
    [
        [1e-4 * 1.25**step for step in range(60)],  # annealed from nothing, to 60 nats
        [10.0 + 3.0 * step for step in range(150)],  # as of an autoencoder at the start
        [0.01] * 30 + [MARGIN],
        [50.0] * 30 + [499.0],
        [5000.0] * 3 + [5.0] * 60,
        [float("nan")] * 60 + [5000.0],
        [5.0] * (FEWEST - 1) + [5000.0],
    ],
)
def test_what_rises_as_a_kl_may_is_no_leap(kls):
    assert told(kls) == []


def test_a_kl_that_hardly_weighs_does_not_leap():
    alarm = Alarm(later=False)
    weighed = [(0.08, 0.025), *[(0.08, 0.025)] * 33, (110.0, 0.027), (0.5, 0.028), (9e3, 0.03)]
    found = [alarm.after(step, torch.tensor(kl), weight) for step, (kl, weight) in enumerate(weighed)]
    assert [leap.step for leaps in found for leap in leaps] == [36]


def test_an_episode_is_told_once_and_the_next_one_again():
    episode = [5.0, 9e3, 5.0, 8e3, 8e3]
    assert [leap.step for leap in told([5.0] * 30 + episode)] == [31]
    assert [leap.step for leap in told([5.0] * 30 + episode + [5.0] * QUIET + [9e3])] == [31, 35 + QUIET]
    assert [leap.step for leap in told([5.0] * 30 + [9e3] * 3 * REMEMBERED)] == [30]


def test_what_is_read_later_is_told_later_and_alike():
    kls = [5.0] * 30 + [5000.0] + [5.0] * 10
    alarm = Alarm(later=True)
    assert not any(alarm.after(step, torch.tensor(kl)) for step, kl in enumerate(kls))
    assert alarm.look() == told(kls)
    assert alarm.look() == []


def trained(
    home: Path, name: str, monkeypatch, factor: float = 1e3, recipe: str = "vae", settings: Sequence[tuple] = ()
) -> tuple[list[dict], str, list[torch.Tensor]]:
    """Train a run whose encoder gives a thousand times its means at one step; return leaps, what was said, weights."""
    (home / "texts.txt").write_text("".join(f"a b {'c ' * (n % 4)}d{n % 5} e{n % 7}\n" for n in range(60)))
    infer, trainers, said = LSTMEncoder.forward, [], Console(file=io.StringIO(), width=1000)
    begin = loop.Trainer.__init__

    def noted(self, *arguments):
        begin(self, *arguments)
        trainers.append(self)

    def multiplied(self, *arguments, **named):
        posterior = infer(self, *arguments, **named)
        mean, log_variance = posterior.parameters
        here = self.training and trainers[0].progress.step == AT
        return posterior.with_parameters(mean * (factor if here else 1.0), log_variance)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "__init__", noted)
        patch.setattr(LSTMEncoder, "forward", multiplied)
        changed = load_recipe(recipe).with_settings([*SMALL, *settings])
        start_run(Sources([str(home / "texts.txt")], [], Columns()), changed, home / name, 1, said)
    records = map(json.loads, (home / name / "metrics.jsonl").read_text().splitlines())
    weights = [weight.detach() for weight in trainers[0].plain_model.parameters()]
    return [record for record in records if record["split"] == "leap"], said.file.getvalue(), weights


def test_a_blow_up_is_told_within_a_step_and_changes_no_other(tmp_path, monkeypatch):
    [leap], said, weights = trained(tmp_path, "heard", monkeypatch)
    assert leap["step"] == AT
    assert leap["kl"] > 10 * leap["median"] + MARGIN
    assert said.count("the KL leaps to") == 1
    monkeypatch.setattr(Alarm, "after", lambda *_: [])
    silent, said, others = trained(tmp_path, "unheard", monkeypatch)
    assert not silent
    assert "leaps" not in said
    assert all(map(torch.equal, weights, others))


def test_where_numbers_are_read_later_it_is_told_at_the_next_reading(tmp_path, monkeypatch):
    begin = Alarm.__init__
    monkeypatch.setattr(Alarm, "__init__", lambda self, later: begin(self, later=True))
    [leap], _, _ = trained(tmp_path, "later", monkeypatch)
    assert leap["step"] == AT


def test_a_run_that_nobody_disturbs_has_no_leap(tmp_path, monkeypatch):
    leaps, said, _ = trained(tmp_path, "plain", monkeypatch, factor=1.0)
    assert not leaps
    assert "leaps" not in said


@pytest.mark.parametrize("recipe", ["density-gap", "free-bits-total", "wae"])
@pytest.mark.parametrize(("weight", "leaps"), [(1.0, 1), (1e-7, 0)])
def test_what_stands_in_for_the_kl_is_weighed_as_the_kl(tmp_path, monkeypatch, recipe, weight, leaps):
    constant = ("objective.weight", {"kind": "Constant", "value": weight})
    told, _, _ = trained(tmp_path, "weighed", monkeypatch, recipe=recipe, settings=[constant])
    assert len(told) == leaps
