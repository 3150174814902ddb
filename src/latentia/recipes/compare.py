"""Evaluated runs side by side."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import yaml

from latentia.durable import read_bounded
from latentia.errors import RunError
from latentia.evaluation.comparison import Grid, Result, comparison
from latentia.recipes.library import load_recipe
from latentia.recipes.runs import records_of

ALIKE = "compare runs of one training text, evaluated with the same --data, --samples, --every and --decode"

Setting = Callable[[Result], str]
SETTINGS: tuple[Setting, ...] = (
    lambda result: f"{result['sentences']:,} sequences",
    lambda result: f"{result['tokens_with_eos']:,} tokens",
    lambda result: result["ppl_estimator"],
)
OF_DECODED: tuple[Setting, ...] = (
    lambda result: f"{result['text']['sequences']:,} decoded sequences",
    lambda result: f"{result['text']['forward']['trained_on']:,} tokens of training text",
)


def compare_runs(folders: Sequence[Path]) -> Grid:
    """Return one row a recipe; runs of one recipe share a row, which is named by the first.

    Raises:
        RunError: If a run has no evaluation, or they are not of one corpus, one tokenizer and one number of samples.
    """
    results = {folder: {**_evaluation(folder), "training": _training(folder)} for folder in folders}
    _require_alike(results)
    rows: dict[str, tuple[str, list[Result]]] = {}
    for folder, result in results.items():
        rows.setdefault(_recipe_key(folder), (str(folder), []))[1].append(result)
    return comparison(dict(rows.values()))


def _evaluation(folder: Path) -> Result:
    if folder.exists() and not (folder / "recipe.yaml").is_file():
        raise RunError(f"{folder} is no run, it has no recipe.yaml", "name a folder that `latentia train` wrote")
    path = folder / "evaluation.json"
    if not path.is_file():
        raise RunError(f"{folder} has no evaluation.json", f"run `latentia evaluate {folder} --data FILE`")
    try:
        result: Result = json.loads(read_bounded(path))
    except (ValueError, RecursionError):
        raise RunError(f"{path} is no evaluation", f"run `latentia evaluate {folder}` again") from None
    return result


def _training(folder: Path) -> Result:
    """Medians over the records of a run; without those it does not have."""
    records = records_of(folder)
    columns = {
        "seconds_an_epoch": [record["seconds"] for record in records if "seconds" in record],
        "tokens_per_second": [record["tokens_per_second"] for record in records if "tokens_per_second" in record],
    }
    return {name: {"value": statistics.median(values)} for name, values in columns.items() if values}


def _require_alike(results: dict[Path, Result]) -> None:
    """Numbers of different corpora or estimators do not belong in one table."""
    decoded = {folder: result for folder, result in results.items() if "text" in result}
    _require_same(results, SETTINGS)
    _require_same(decoded, OF_DECODED)


def _require_same(results: dict[Path, Result], settings: Sequence[Setting]) -> None:
    for (first, reference), (folder, result) in pairwise(results.items()):
        for setting in settings:
            ours, theirs = setting(reference), setting(result)
            if ours != theirs:
                raise RunError(f"{first} was evaluated with {ours} and {folder} with {theirs}", ALIKE)


def _recipe_key(folder: Path) -> str:
    settings = load_recipe(str(folder / "recipe.yaml")).settings
    return yaml.safe_dump({key: value for key, value in settings.items() if key != "about"})
