"""Rows of the table of remedies: what is taken for done, and what was made of another recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from benchmarks import remedies

from latentia.errors import RunError
from latentia.recipes import load_recipe

PASSES = ("training.epochs", 3)


@pytest.fixture
def protocol(tmp_path: Path) -> remedies.Protocol:
    return remedies.Protocol(tmp_path, tmp_path / "runs", tmp_path / "results", PASSES[1], [1])


def done(protocol: remedies.Protocol, name: str, *settings: tuple[str, object], about: str = "") -> Path:
    """A row that was made of the recipe of this name, with these settings changed."""
    result = protocol.result(name, 1)
    result.mkdir(parents=True)
    made = load_recipe(name.partition(":")[0]).with_settings([PASSES, *settings]).settings
    made["about"]["summary"] = about or made["about"]["summary"]
    (result / "recipe.yaml").write_text(yaml.safe_dump(made))
    (result / "evaluation.json").write_text(json.dumps({}))
    return result


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vae", []),
        ("vae", [("training.max_steps", 400)]),
        ("density-gap:objective.aggregation_size=4", [("objective.aggregation_size", 4)]),
    ],
)
def test_a_row_of_the_same_recipe_is_done_whatever_steps_its_cost_left_it(name, settings, protocol):
    done(protocol, name, *settings, about="said otherwise then")
    assert remedies._row(protocol, name, 1)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vae", [("model.latent_dim", 16)]),
        ("vae", [("training.epochs", 2)]),
        ("density-gap:objective.aggregation_size=4", []),
    ],
)
def test_a_row_of_another_recipe_is_not_taken_for_done(name, settings, protocol):
    done(protocol, name, *settings)
    with pytest.raises(RunError, match="was made with other settings"):
        remedies._row(protocol, name, 1)


@pytest.mark.parametrize(("cost", "steps"), [(1.9, 0), (4.0, 30), (1000.0, 12)])
def test_an_expensive_step_is_given_fewer_and_no_fewer_than_a_tenth(cost, steps, protocol):
    (protocol.data / "train.txt").write_text("a b\n" * 1280)
    assert remedies._budgeted(load_recipe("vae"), protocol, cost).training().max_steps == steps


def test_a_table_is_put_between_its_marks_and_nothing_else_is_touched(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{remedies.BEGIN}old\n{remedies.END}after\n")
    remedies._put("| new |", page)
    assert page.read_text() == f"before\n{remedies.BEGIN}\n| new |\n\n{remedies.END}after\n"
