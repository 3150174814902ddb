"""The command line as a user meets it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vouching import revouch

SMALL = ["model.encoder.hidden_dim=8", "model.decoder.hidden_dim=8", "model.latent_dim=3", "training.epochs=2"]


def latentia(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "latentia", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    lines = [f"the cat {'sat ' * (n % 3 + 1)}on mat {n % 7}" for n in range(80)]
    (folder / "texts.txt").write_text("\n".join(lines))
    (folder / "labelled.tsv").write_text(
        "label\ttext\n" + "\n".join(f"{n % 2}\t{line}" for n, line in enumerate(lines))
    )
    sets = [part for setting in SMALL for part in ("--set", setting)]
    done = latentia("train", "texts.txt", "--out", "run", "--seed", "3", *sets, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_train_says_where_the_run_is_and_what_was_read(home):
    done = latentia(
        "train", "labelled.tsv", "--label", "label", "--out", "labelled", "--set", "training.max_steps=2", folder=home
    )
    assert done.stdout.strip() == "run folder: labelled"
    assert "train: 80 of 80 lines used" in done.stderr
    assert "of these lines held out; --valid FILE takes others" in done.stderr
    assert "ended after step 2; the weights kept are" in done.stderr


def test_evaluate_writes_the_keys_that_stay(home):
    done = latentia("evaluate", "run", "--data", "texts.txt", "--samples", "4", folder=home)
    assert done.returncode == 0, done.stderr
    assert "nll_iw(4)" in done.stdout
    result = json.loads((home / "run" / "evaluation.json").read_text())
    assert result["tokens_with_eos"] == result["words"] + 80
    assert set(result["nll_iw"]) == {"value", "standard_error", "K", "every"}
    assert result["mutual_information"]["value"] <= result["mutual_information"]["cap"]
    assert set(result["continuous_units"]) == {"0.01", "0.03", "0.05", "0.1"}
    for key in (
        "elbo",
        "reconstruction",
        "kl",
        "ppl_word_with_eos",
        "ppl_word_without_eos",
        "active_units",
        "joint_gap",
    ):
        assert isinstance(result[key], float | int)


def test_names_that_look_like_markup_are_names(home, tmp_path):
    folder = tmp_path / "["
    folder.mkdir()
    shutil.copytree(home / "run", folder / "x]")
    (folder / "y].txt").write_text((home / "texts.txt").read_text() + "\n\n")
    done = latentia("evaluate", "[/x]", "--data", "[/y].txt", "--samples", "2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "[/x]: 80 sequences" in done.stdout
    assert "(first [/y].txt:81)" in done.stderr


def test_evaluate_decodes_when_asked(home):
    done = latentia("evaluate", "run", "--data", "texts.txt", "--samples", "2", "--decode", "6", folder=home)
    assert done.returncode == 0, done.stderr
    assert "BLEU" in done.stdout
    text = json.loads((home / "run" / "evaluation.json").read_text())["text"]
    assert (text["sequences"], text["interpolation"]["pairs"], text["language_model"]["order"]) == (6, 3, 3)
    assert "ROUGE-L" in latentia("compare", "run", "--format", "csv", folder=home).stdout


def test_runs_become_a_page_and_figures(home):
    done = latentia("report", "run", "--out", "report.html", folder=home)
    assert (done.returncode, done.stdout) == (0, "report: report.html\n"), done.stderr
    assert "<title>Report: run</title>" in (home / "report.html").read_text()
    done = latentia("plot", "run", "training", "--out", "training.svg", folder=home)
    assert done.stdout.startswith("Grey: averages"), done.stderr


def test_evaluate_reads_another_column(home):
    (home / "other.csv").write_text("sentence\n" + "the cat sat on mat 1\n" * 3)
    done = latentia("evaluate", "labelled", "--data", "other.csv", "--text", "sentence", "--samples", "2", folder=home)
    assert done.returncode == 0, done.stderr
    assert "3 of 3 lines used" in done.stderr


def test_the_version_is_printed(home):
    assert latentia("--version", folder=home).stdout.startswith("latentia 0.")


def test_operations_print_one_text_a_line(home):
    assert len(latentia("sample", "run", "-n", "3", "--seed", "1", folder=home).stdout.splitlines()) == 3
    assert len(latentia("reconstruct", "run", "the cat", "mat 3", folder=home).stdout.splitlines()) == 2
    assert len(latentia("interpolate", "run", "the cat", "mat 3", "--steps", "4", folder=home).stdout.splitlines()) == 4


def test_a_finished_run_resumes_to_its_end(home):
    done = latentia("train", "--resume", "run", folder=home)
    assert done.returncode == 0
    assert "continuing after step" in done.stderr


def test_unusable_data_leave_no_half_made_run(home):
    (home / "one.txt").write_text("a single line\n")
    done = latentia("train", "one.txt", "--out", "single", folder=home)
    assert done.returncode == 2
    assert "one.txt: 1 of 1 lines used; at least 2 needed" in done.stderr
    assert not (home / "single").exists()


def test_a_recipe_that_is_no_text_is_named(home):
    shutil.copytree(home / "run", home / "binary")
    (home / "binary" / "recipe.yaml").write_bytes(b"\xff")
    revouch(home / "binary")
    done = latentia("sample", "binary", folder=home)
    shutil.rmtree(home / "binary")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "binary/recipe.yaml cannot be read" in done.stderr


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"format": 2}', '{"format": 1, "seed": 1, "sources": {}}'])
def test_a_damaged_record_is_named(home, content):
    damaged = home / "damaged"
    shutil.copytree(home / "run", damaged)
    (damaged / "run.json").write_text(content)
    revouch(damaged)
    done = latentia("evaluate", "damaged", folder=home)
    shutil.rmtree(damaged)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "damaged/run.json is not the record of a run" in done.stderr


def test_called_bare_it_shows_its_help(home):
    done = latentia(folder=home)
    assert (done.returncode, done.stderr) == (2, "")
    assert "interpolate" in done.stdout


def test_recipes_are_listed_and_printed(home):
    listed = latentia("recipes", folder=home).stdout
    assert "density-gap" in listed
    assert "Bowman et al. 2016" in listed
    assert "kind: DensityGap" in latentia("recipes", "density-gap", folder=home).stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "nowhere.txt"], "does not exist"),
        (["train"], "DATA or --resume"),
        (["train", "texts.txt", "--recipe", "vea"], "nearest is vae"),
        (["train", "texts.txt", "--set", "training.epoch=1"], "nearest valid key is epochs"),
        (["train", "texts.txt", "--set", "training.epochs"], "KEY=VALUE"),
        (["train", "texts.txt", "--out", "run"], "not empty"),
        (["train", "labelled.tsv", "--text", "sentence"], "'label', 'text'"),
        (["train", "--resume", "nowhere"], "nowhere does not exist"),
        (["evaluate", "nowhere"], "nowhere does not exist"),
        (["train", "--resume", "."], "is no run"),
        (["evaluate", "."], "is no run"),
        (["sample", "run", "--temperature", "0"], "temperature"),
        (["reconstruct", "run", ""], "text 1 is empty"),
        (["report", "nowhere", "--out", "report.htm"], "nowhere does not exist"),
        (["report", "run", "--out", "texts.txt"], "does not end in .html"),
        (["plot", "run", "trainings", "--out", "a.png"], "the figures are training, rate-distortion"),
        (["plot", "run", "calibration", "--out", "a.png"], "--measure Calibration"),
        (["train", "texts.txt", "--set", "objective=ELBO"], "objective.kind is one of: DensityGap, DualEstimate, ELBO"),
        (["train", "texts.txt", "--out", "texts.txt"], "is a file"),
        (["train", "texts.txt", "--out", "texts.txt/run"], "Not a directory"),
        (["train", "--resume", "run", "--set", "training.epochs=9"], "--set cannot be given with --resume"),
        (["train", "texts.txt", "--seed", "-1"], "see `latentia train --help`"),
        (["sample", "run", "-n", "0"], "n is 0"),
        (["evaluate", "run", "--samples", "many"], "see `latentia evaluate --help`"),
        (["sample"], "Missing argument"),
        (["smaple"], "No such command"),
    ],
)
def test_a_mistake_is_one_line_and_a_remedy(home, arguments, told):
    done = latentia(*arguments, folder=home)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert told in last
