"""Small runs whose texts and names a careless page would break on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from latentia.data import Columns
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.measure import Texts, evaluate_run
from latentia.recipes.runs import start_run
from tests.evaluation.test_decoded import SMALL

QUIET = Console(quiet=True)
NASTY = (
    '<script>alert("x")</script> the cat',
    "</script><img src=x onerror=alert(1)> sat",
    'it\'s a "quoted" & ampersand &lt; cat',
    "שלום עולם the cat",
    "$x_1$ and \\frac{a}{b} @0 naïve 猫",
)
TEXTS = [
    *NASTY,
    *(f"the {kind} cat{n} sat on {'a very ' * (n % 3)}mat{n}" for n in range(9) for kind in ("red", "big")),
]
BINS = [
    {"from": 0.1 * n, "to": 0.1 * n + 0.1, "count": 40.0, "confidence": 0.1 * n, "accuracy": 0.08 * n} for n in (2, 5)
]
CALIBRATION = {"settings": {}, "as trained": {"diagrams": {"top1": BINS, "weighted": BINS, "eos": BINS}}}


def trained(home: Path, recipe: str, name: str) -> Path:
    """Train a tiny run in a folder of its own."""
    home.mkdir(exist_ok=True)
    (home / "texts.txt").write_text("\n".join(TEXTS * 3) + "\n", encoding="utf-8")
    small = load_recipe(recipe).with_settings(SMALL)
    files = [str(home / "texts.txt")]
    start_run(Sources(files, files, Columns()), small, home / name, 1, QUIET)
    return home / name


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of codes in Euclidean space, with an evaluation, and a name that looks like markup."""
    run = trained(tmp_path_factory.mktemp("plain"), "default", "<b>näme $x$")
    evaluate_run(run, Texts([str(run.parent / "texts.txt")]), samples=2, seed=5, console=QUIET)
    return run


@pytest.fixture(scope="session")
def sphere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of codes on a sphere, not evaluated."""
    return trained(tmp_path_factory.mktemp("sphere"), "vmf", "sphere")


@pytest.fixture(scope="session")
def stepwise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of codes of one a step, evaluated."""
    run = trained(tmp_path_factory.mktemp("stepwise"), "delta-ar1", "stepwise")
    evaluate_run(run, Texts([str(run.parent / "texts.txt")]), samples=2, seed=5, console=QUIET)
    return run


def edited(run: Path, **entries: object) -> None:
    """Put entries into an evaluation."""
    path = run / "evaluation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
