"""Evaluated runs side by side."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
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
Layout = Callable[[Mapping[str, Sequence[Result]]], Grid]
SETTINGS: tuple[Setting, ...] = (
    lambda result: f"{result['sentences']:,} sequences",
    lambda result: f"{result['tokens_with_eos']:,} tokens",
    lambda result: result["ppl_estimator"],
)
OF_DECODED: tuple[Setting, ...] = (
    lambda result: f"{result['text']['sequences']:,} decoded sequences",
    lambda result: f"{result['text']['forward']['trained_on']:,} tokens of training text",
)


def compare_runs(folders: Sequence[Path], layout: Layout = comparison) -> Grid:
    """Return one row a recipe; runs of one recipe share a row, which is named by the first.

    Raises:
        RunError: If a run has no evaluation, or they are not of one corpus, one tokenizer and one number of samples.
    """
    results, alike = _results(folders), dict[str, list[Path]]()
    for folder in results:
        method = load_recipe(str(folder / "recipe.yaml")).method
        alike.setdefault(yaml.safe_dump(method), []).append(folder)
    return layout({_named(runs): [results[run] for run in runs] for runs in alike.values()})


def compare_rows(rows: Mapping[str, Sequence[Path]], layout: Layout = comparison) -> Grid:
    """Return a row of each name, of the runs that it has.

    Raises:
        RunError: As ``compare_runs`` does.
    """
    results = _results([folder for runs in rows.values() for folder in runs])
    return layout({name: [results[folder] for folder in runs] for name, runs in rows.items()})


def _results(folders: Sequence[Path]) -> dict[Path, Result]:
    results = {folder: {**_evaluation(folder), "training": _training(folder)} for folder in folders}
    _require_alike(results)
    return results


def _named(runs: Sequence[Path]) -> str:
    return f"{runs[0]} and {len(runs) - 1} more" if len(runs) > 1 else str(runs[0])


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
    """Return how fast a run was; without what its records do not have.

    The fastest epoch is the one that waited least for whatever else its machine did.
    """
    records = records_of(folder)
    seconds = [record["seconds"] for record in records if "seconds" in record]
    speeds = [record["tokens_per_second"] for record in records if "tokens_per_second" in record]
    fastest, median = min(seconds, default=None), statistics.median(speeds) if speeds else None
    found = {"seconds_an_epoch": fastest, "tokens_per_second": median}
    return {name: {"value": value} for name, value in found.items() if value is not None}


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
