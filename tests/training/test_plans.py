"""Plans of a step: who is updated when, and that a run resumes within them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor

from latentia.data import Columns
from latentia.errors import RecipeError
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.runs import resume_run, start_run
from latentia.records import Batch, Terms
from latentia.training import AggressiveInference, AuxiliaryFirst, Joint, ResetDecoder
from latentia.training.loop import Trainer
from latentia.training.weights import read_tensors
from tests.laws.tables import PLANS, model
from tests.training.test_resume import SETTINGS, interrupt_after

QUIET = Console(quiet=True)
BATCH = Batch.collate([[4, 5], [6]])
TOGETHER = ("training.plan", {"kind": "Joint"})


class Recorder:
    """A stepper that notes what it is asked for; its costs are given."""

    step, total = 10, 40

    def __init__(self, costs: list[float] = ()):
        self.costs, self.asked = iter(costs), []

    def update(self, batch: Batch, frozen: str = "", number: int = 0) -> Terms:
        self.asked.append((frozen, number))
        loss = torch.full((1, len(batch)), float(next(self.costs, 1.0)))
        return Terms(loss, loss, {}, {})

    def update_auxiliary(self, batch: Batch, number: int) -> None:
        self.asked.append(("auxiliary", number))

    def another(self, number: int) -> Batch:
        return BATCH

    def restore(self, part: str, weights: dict[str, Tensor]) -> None:
        self.asked.append(("restore", part))


def test_the_encoder_is_updated_until_a_block_is_no_better_and_then_the_decoder_once():
    stepper = Recorder([5, 5, 4, 4, 4, 4])
    AggressiveInference(most=100, block=2).step(BATCH, stepper)
    assert [part for part, _ in stepper.asked] == ["decoder"] * 6 + ["encoder"]
    assert [number for _, number in stepper.asked] == [1, 2, 3, 4, 5, 6, 0]


def test_the_inner_loop_begins_with_the_batch_of_the_step_and_goes_on_with_fresh_ones():
    stepper, seen = Recorder(range(1000, 0, -1)), []
    fresh = [Batch.collate([[4] * (2 + number)]) for number in range(8)]
    stepper.another = lambda number: fresh[number]
    update = stepper.update
    stepper.update = lambda batch, **how: seen.append((batch, how.get("frozen"))) or update(batch, **how)
    AggressiveInference(most=5, block=2).step(BATCH, stepper)
    assert [batch for batch, frozen in seen if frozen == "decoder"] == [BATCH, *fresh[1:5]]
    assert [batch for batch, frozen in seen if frozen == "encoder"] == [BATCH]


def test_blocks_are_compared_by_their_cost_a_token():
    """Four sequences of two tokens at cost 5, then one of eight tokens at cost 8: dearer a batch, cheaper a token."""
    stepper = Recorder([5, 8, 9])
    long = Batch.collate([[4] * 7])
    stepper.another = lambda number: long
    AggressiveInference(most=100, block=1).step(Batch.collate([[4]] * 4), stepper)
    assert [part for part, _ in stepper.asked] == ["decoder", "decoder", "decoder", "encoder"]


def test_the_inner_loop_ends_at_its_bound():
    stepper = Recorder(range(1000, 0, -1))
    AggressiveInference(most=7, block=2).step(BATCH, stepper)
    assert len(stepper.asked) == 8


def test_the_aggressive_phase_ends_for_good_when_information_falls():
    plan = AggressiveInference(most=2, block=1)
    for information, updates in ((1.0, 3), (2.0, 3), (1.5, 1), (9.0, 1)):
        plan.validated({"mutual_information": information})
        stepper = Recorder([2.0, 1.0])
        plan.step(BATCH, stepper)
        assert len(stepper.asked) == updates


def test_the_auxiliary_network_is_updated_before_everything():
    stepper = Recorder()
    AuxiliaryFirst(updates=3).step(BATCH, stepper)
    assert stepper.asked == [("auxiliary", 1), ("auxiliary", 2), ("auxiliary", 3), ("", 0)]


def test_an_auxiliary_network_without_weights_cannot_be_updated_first():
    with pytest.raises(RecipeError, match=r"model\.auxiliary"):
        AuxiliaryFirst().begin(model())


def test_the_decoder_is_reset_once_at_its_time():
    plan = ResetDecoder(at=0.25)
    plan.begin(model())
    stepper = Recorder()
    for stepper.step in range(40):
        plan.step(BATCH, stepper)
    assert stepper.asked.index(("restore", "decoder")) == 10
    assert stepper.asked.count(("restore", "decoder")) == 1


@pytest.mark.parametrize("plan", [ResetDecoder, AggressiveInference])
def test_a_shared_table_cannot_be_trained_on_one_side_alone(plan):
    vae = model()
    vae.encoder.embedding = vae.decoder.embedding
    with pytest.raises(RecipeError, match=r"share_embedding"):
        plan().begin(vae)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"a b {'c ' * (n % 4)}d{n % 5} e{n % 7}\n" for n in range(60)))
    return Sources([str(path)], [], Columns())


def train(sources: Sources, folder: Path, settings: dict[str, object]) -> None:
    start_run(sources, load_recipe("vae").with_settings([*SETTINGS, *settings.items()]), folder, 1, QUIET)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", PLANS)
def test_a_resumed_run_takes_the_same_steps(name, sources, tmp_path, monkeypatch):
    train(sources, tmp_path / "whole", PLANS[name])
    with monkeypatch.context() as patched:
        interrupt_after(patched, 10)
        train(sources, tmp_path / "stopped", PLANS[name])
    resume_run(tmp_path / "stopped", QUIET)
    whole, resumed = (
        read_tensors(max((tmp_path / run / "checkpoints").glob("step-*")) / "model.safetensors")
        for run in ("whole", "stopped")
    )
    assert all(torch.equal(whole[weight], resumed[weight]) for weight in whole)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("frozen", ["encoder", "decoder"])
def test_an_update_leaves_the_frozen_part_as_it_is(frozen, sources, tmp_path, monkeypatch):
    moved = []

    def only_one_part(self: Joint, batch: Batch, stepper: Trainer) -> Terms:
        before = {name: weight.clone() for name, weight in stepper.plain_model.named_parameters()}
        terms = stepper.update(batch, frozen=frozen)
        after = dict(stepper.plain_model.named_parameters())
        moved.extend(name.split(".")[0] for name in before if not torch.equal(before[name], after[name]))
        return terms

    monkeypatch.setattr(Joint, "step", only_one_part)
    train(sources, tmp_path / "run", {})
    assert set(moved) == {"encoder", "decoder"} - {frozen}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_update_of_the_auxiliary_network_moves_it_alone(sources, tmp_path, monkeypatch):
    moved = []

    def only_the_auxiliary(self: Joint, batch: Batch, stepper: Trainer) -> Terms:
        before = {name: weight.clone() for name, weight in stepper.plain_model.named_parameters()}
        stepper.update_auxiliary(batch, 1)
        after = dict(stepper.plain_model.named_parameters())
        moved.extend(name.split(".")[0] for name in before if not torch.equal(before[name], after[name]))
        return stepper.update(batch)

    monkeypatch.setattr(Joint, "step", only_the_auxiliary)
    train(sources, tmp_path / "run", {"model.auxiliary": {"kind": "DualCritic", "features": 4}})
    assert set(moved) == {"auxiliary"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("recipe", "part"), [("adversarial-dropout", "mask"), ("ivae", "auxiliary")])
def test_an_opponent_learns_at_its_own_pace(recipe, part, sources, tmp_path, monkeypatch):
    """The first step of Adam is as long as the learning rate."""
    moved = {True: 0.0, False: 0.0}

    def watch(self: Joint, batch: Batch, stepper: Trainer) -> Terms:
        before = {name: weight.clone() for name, weight in stepper.plain_model.named_parameters()}
        terms = stepper.update(batch)
        for name, weight in stepper.plain_model.named_parameters():
            own = name.startswith(f"{part}.")
            moved[own] = max(moved[own], (weight - before[name]).abs().max().item())
        return terms

    monkeypatch.setattr(Joint, "step", watch)
    settings = [*SETTINGS, ("training.max_steps", 1), (f"model.{part}.pace", 0.25), TOGETHER]
    start_run(sources, load_recipe(recipe).with_settings(settings), tmp_path / "run", 1, QUIET)
    assert moved[False] > 0
    assert moved[True] == pytest.approx(0.25 * moved[False], rel=0.05)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("recipe", "part", "settings"),
    [
        ("adversarial-dropout", "mask", [("model.mask.strength", 1.0)]),
        ("adversarial-dropout", "mask", [("model.mask.strength", 1e6)]),
        ("ivae", "auxiliary", []),
        ("aae", "auxiliary", []),
    ],
)
def test_an_opponents_gradient_is_clipped_apart(recipe, part, settings, sources, tmp_path, monkeypatch):
    """In one norm a strong penalty of a mask's scores would leave nothing of the model's gradient."""
    norms = []

    def watch(self: Joint, batch: Batch, stepper: Trainer) -> Terms:
        monkeypatch.setattr(stepper.optimizer, "zero_grad", lambda **_: None)
        terms = stepper.update(batch)
        gradients = {name: each.grad for name, each in stepper.plain_model.named_parameters() if each.grad is not None}
        of = {
            own: [each for name, each in gradients.items() if name.startswith(f"{part}.") == own]
            for own in (True, False)
        }
        norms.extend(torch.stack([each.norm() for each in of[own]]).norm().item() for own in (True, False))
        return terms

    monkeypatch.setattr(Joint, "step", watch)
    given = [*SETTINGS, ("training.max_steps", 1), ("training.clip_norm", 0.005), TOGETHER, *settings]
    start_run(sources, load_recipe(recipe).with_settings(given), tmp_path / "run", 1, QUIET)
    assert norms == pytest.approx([0.005, 0.005], rel=1e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_reset_gives_back_the_first_decoder_and_keeps_the_encoder(sources, tmp_path, monkeypatch):
    seen = []
    original = Trainer.restore

    def watch(self: Trainer, part: str, weights: dict[str, Tensor]) -> None:
        before = {name: weight.clone() for name, weight in self.plain_model.named_parameters()}
        original(self, part, weights)
        after = dict(self.plain_model.named_parameters())
        seen.append({name.split(".")[0] for name in before if not torch.equal(before[name], after[name])})
        assert all(torch.equal(after[f"decoder.{name}"], weight) for name, weight in weights.items())
        assert not any(after[f"decoder.{name}"] in self.optimizer.optimizer.state for name in weights)

    monkeypatch.setattr(Trainer, "restore", watch)
    train(sources, tmp_path / "run", {"training.plan": {"kind": "ResetDecoder", "at": 0.5}})
    assert seen == [{"decoder"}]
