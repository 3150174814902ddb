"""Runs side by side."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

from latentia.errors import RunError
from latentia.evaluation.comparison import as_csv, as_markdown
from latentia.recipes import load_recipe
from latentia.recipes.compare import compare_runs


def evaluated(folder: Path, recipe: str, elbo: float, **changes: object) -> Path:
    folder.mkdir()
    (folder / "recipe.yaml").write_text(yaml.safe_dump(load_recipe(recipe).settings))
    result = {
        "sentences": 10,
        "tokens_with_eos": 70,
        "elbo": elbo,
        "kl": 1.0,
        "ppl_word_with_eos": None,
        "standard_errors": {"elbo": 0.5, "kl": 0.1, "ppl_word_with_eos": None},
        "nll_iw": {"value": 99.0, "standard_error": 0.4, "K": 50},
        "ppl_estimator": "nll_iw(50)",
        "mutual_information": {"value": 0.9, "standard_error": 0.1, "cap": 2.3},
        "active_units": 2,
        "continuous_units": {},
        "joint_gap": 0.1,
        "joint_gap_standard_error": 0.01,
        "aggregate_kl": 0.1,
        "aggregate_kl_standard_error": 0.01,
    }
    (folder / "evaluation.json").write_text(json.dumps({**result, **changes}))
    return folder


def test_runs_of_one_recipe_share_a_row_with_mean_and_deviation(tmp_path):
    folders = [evaluated(tmp_path / f"vae-{seed}", "vae", -100.0 - seed) for seed in (1, 2, 3)]
    other = evaluated(tmp_path / "beta", "beta", -90.0)
    header, vae, beta = compare_runs([*folders, other])
    assert header[1] == "-ELBO, nats"
    assert vae[:2] == [str(folders[0]), "102.00 (sd 1.00, 3 runs)"]
    assert beta[:3] == [str(other), "90.00 ± 0.50", "99.00 ± 0.40"]


def test_what_an_evaluation_does_not_have_is_said(tmp_path):
    header, row = compare_runs([evaluated(tmp_path / "sphere", "vae", -100.0)])
    shown = dict(zip(header, row, strict=True))
    assert shown["continuous units (0.03)"] == shown["PPL with EOS, nll_iw(50)"] == "none"


@pytest.mark.parametrize("change", [{"sentences": 11}, {"tokens_with_eos": 71}, {"ppl_estimator": "nll_iw(5)"}])
def test_different_corpora_and_estimators_are_refused(tmp_path, change):
    with pytest.raises(RunError, match="was evaluated"):
        compare_runs([evaluated(tmp_path / "a", "vae", -1.0), evaluated(tmp_path / "b", "vae", -1.0, **change)])


@pytest.mark.parametrize("content", [None, "no json"])
def test_a_run_without_an_evaluation_is_told_how_to_get_one(tmp_path, content):
    folder = evaluated(tmp_path / "a", "vae", -1.0)
    (folder / "evaluation.json").unlink()
    if content:
        (folder / "evaluation.json").write_text(content)
    with pytest.raises(RunError, match="evaluation") as raised:
        compare_runs([folder])
    assert "latentia evaluate" in raised.value.remedy


def test_the_grid_survives_csv_and_markdown(tmp_path):
    grid = compare_runs([evaluated(tmp_path / "a", "vae", -1.0)])
    assert list(csv.reader(as_csv(grid).splitlines())) == grid
    assert len(as_markdown(grid).splitlines()) == 3
