"""Runs side by side."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from latentia.errors import RunError
from latentia.evaluation.comparison import as_csv, as_markdown, numbers, side_by_side
from latentia.recipes import load_recipe
from latentia.recipes.compare import compare_rows, compare_runs
from latentia.recipes.runs import _evaluation_of
from latentia.reports.gather import _object


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
    assert vae[:2] == [f"{folders[0]} and 2 more", "102.00 (sd 1.00, 3 runs)"]
    assert vae[header.index("active units (0.01)")] == "2.0 (sd 0.0, 3 runs)"
    assert beta[:3] == [str(other), "90.00 ± 0.50", "99.00 ± 0.40"]


def test_what_an_evaluation_does_not_have_is_said(tmp_path):
    header, row = compare_runs([evaluated(tmp_path / "sphere", "vae", -100.0)])
    shown = dict(zip(header, row, strict=True))
    assert shown["continuous units (0.03)"] == shown["PPL with EOS, nll_iw(50)"] == "none"


def test_measures_without_an_estimate_are_none_beside_those_with_one(tmp_path):
    nothing = {"value": None, "standard_error": None, "cap": 2.3}
    none = {"joint_gap": None, "joint_gap_standard_error": None, "mutual_information": nothing}
    folders = [evaluated(tmp_path / "steps", "delta-ar1", -90.0, **none), evaluated(tmp_path / "vae", "vae", -100.0)]
    header, steps, vae = compare_runs(folders)
    information, gap = header.index("information, full set (cap 2.30)"), header.index("KL(p(z) || q(z)), draws")
    assert (steps[information], steps[gap]) == ("none", "none")
    assert (vae[information], vae[gap]) == ("0.90 ± 0.10", "0.10 ± 0.01")


@pytest.mark.parametrize("change", [{"sentences": 11}, {"tokens_with_eos": 71}, {"ppl_estimator": "nll_iw(5)"}])
def test_different_corpora_and_estimators_are_refused(tmp_path, change):
    with pytest.raises(RunError, match="evaluated with"):
        compare_runs([evaluated(tmp_path / "a", "vae", -1.0), evaluated(tmp_path / "b", "vae", -1.0, **change)])


def decoded(sequences: int = 500, trained_on: int = 1000, bleu: float = 2.5) -> dict[str, object]:
    perplexity = {"value": 200.0, "standard_error": 8.0, "trained_on": trained_on}
    return {
        "sequences": sequences,
        "language_model": {"order": 3},
        "reconstruction": {"value": bleu, "standard_error": 0.3},
        "forward": perplexity,
        "reverse": perplexity,
        "interpolation": {"value": 0.139, "standard_error": 0.003, "pairs": 250, "points": 11},
    }


def test_decoded_text_has_columns_only_where_a_run_has_it(tmp_path):
    plain = evaluated(tmp_path / "plain", "vae", -1.0)
    without = compare_runs([plain])[0]
    header, *rows = compare_runs([plain, evaluated(tmp_path / "text", "beta", -1.0, text=decoded())])
    added = [title for title in header if title not in without]
    assert added == [
        "BLEU, 500 posterior centres, greedy",
        "forward PPL a token, 500 samples, 3-gram of training text",
        "reverse PPL a token, 3-gram of 500 samples",
        "ROUGE-L to both ends, 250 paths of 11",
    ]
    shown = [[dict(zip(header, row, strict=True))[title] for title in added] for row in rows]
    assert shown == [["none"] * 4, ["2.50 ± 0.30", "200.0 ± 8.0", "200.0 ± 8.0", "0.139 ± 0.003"]]


@pytest.mark.parametrize("change", [{"sequences": 400}, {"trained_on": 999}])
def test_text_of_other_samples_or_another_language_model_is_refused(tmp_path, change):
    first, other = evaluated(tmp_path / "a", "vae", -1.0, text=decoded()), tmp_path / "b"
    evaluated(other, "beta", -1.0, text=decoded(**change))
    with pytest.raises(RunError, match="evaluated with"):
        compare_runs([first, evaluated(tmp_path / "between", "vae", -1.0), other])


def test_a_row_is_of_the_runs_that_its_name_is_given_whatever_their_recipes(tmp_path):
    runs = [evaluated(tmp_path / "short", "vae", -100.0), evaluated(tmp_path / "long", "default", -102.0)]
    (row,) = compare_rows({"both": runs})[1:]
    assert row[:2] == ["both", "101.00 (sd 1.41, 2 runs)"]


def test_a_bound_that_rounds_to_nothing_has_no_sign(tmp_path):
    run = evaluated(tmp_path / "a", "vae", -1.0, aggregate_kl=-0.004, aggregate_kl_standard_error=0.01)
    assert "0.00 ± 0.01" in compare_runs([run])[1]


def test_numbers_for_a_program_are_one_a_cell(tmp_path):
    folders = [evaluated(tmp_path / f"vae-{seed}", "vae", -100.0 - seed) for seed in (1, 2)]
    grid = compare_runs([*folders, evaluated(tmp_path / "beta", "beta", -1 / 3)], numbers)
    assert list(csv.reader(as_csv(grid).splitlines())) == grid
    several, one = (dict(zip(grid[0], row, strict=True)) for row in grid[1:])
    bound, error, spread = (f"-ELBO, nats{part}" for part in ("", ": standard error", ": standard deviation of runs"))
    assert (several["runs"], several[bound], several[error]) == ("2", "101.5", "")
    assert float(several[spread]) == pytest.approx(0.5**0.5)
    assert (one["runs"], float(one[bound]), one[error], one[spread]) == ("1", 1 / 3, "0.5", "")
    assert one["continuous units (0.03)"] == one["PPL with EOS, nll_iw(50)"] == ""


def test_speed_is_that_of_the_fastest_epoch_and_the_median_of_the_records(tmp_path):
    folder = evaluated(tmp_path / "a", "vae", -1.0)
    records = [{"split": "train", "tokens_per_second": speed} for speed in (900.0, 1100.0, 1000.0)]
    records += [{"split": "validation", "seconds": seconds} for seconds in (61.0, 59.0, 90.0)]
    records += [{"split": "validation", "negative_elbo": 1.0}]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records) + '{"split": "tr')
    header, row = compare_runs([folder])
    shown = dict(zip(header, row, strict=True))
    assert shown["seconds an epoch, the fastest, on whatever machine"] == "59.0"
    assert shown["tokens/s, median, on whatever machine"] == "1000"
    (folder / "metrics.jsonl").unlink()
    assert compare_runs([folder])[1][-2:] == ["none", "none"]


@pytest.mark.parametrize("content", [None, "no json"])
def test_a_run_without_an_evaluation_is_told_how_to_get_one(tmp_path, content):
    folder = evaluated(tmp_path / "a", "vae", -1.0)
    (folder / "evaluation.json").unlink()
    if content:
        (folder / "evaluation.json").write_text(content)
    with pytest.raises(RunError, match="evaluation") as raised:
        compare_runs([folder])
    assert "latentia evaluate" in raised.value.remedy


@pytest.mark.parametrize("name", ["evaluation.json", "metrics.jsonl"])
def test_files_longer_than_any_that_is_written_are_refused_unread(tmp_path, name):
    folder = evaluated(tmp_path / "a", "vae", -1.0)
    with (folder / name).open("ab") as file:
        file.truncate(2**40)
    with pytest.raises(RunError, match=rf"{name} has 1,099,511,627,776 bytes, and at most"):
        compare_runs([folder])


@pytest.mark.parametrize("reads", [_evaluation_of, lambda folder: _object(folder / "evaluation.json")])
def test_no_reader_of_an_evaluation_takes_more(tmp_path, reads):
    with (tmp_path / "evaluation.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(RunError, match=r"evaluation.json has 1,099,511,627,776 bytes, and at most 4,194,304"):
        reads(tmp_path)


def test_the_grid_survives_csv_and_markdown(tmp_path):
    grid = compare_runs([evaluated(tmp_path / "a", "vae", -1.0)])
    assert list(csv.reader(as_csv(grid).splitlines())) == grid
    assert len(as_markdown(grid).splitlines()) == 3


def test_many_runs_are_read_on_a_narrow_terminal(tmp_path):
    names = ["vae", "beta", "bn", "skip", "cyclical"]
    grid = compare_runs([evaluated(tmp_path / name, name, -100.0) for name in names])
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(*side_by_side([[f"[{Path(row[0]).name}]", *row[1:]] for row in grid], console.width))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    assert all(f" [{name}] " in text for name in names)
    assert text.count("100.00 ± 0.50") == len(names)
