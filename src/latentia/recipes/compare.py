"""Evaluated runs side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from latentia.errors import RunError
from latentia.evaluation.comparison import Grid, Result, comparison
from latentia.recipes.library import load_recipe

ALIKE = "evaluate all runs with the same --data, --samples and --every"


def compare_runs(folders: Sequence[Path]) -> Grid:
    """Return one row a recipe; runs of one recipe share a row, which is named by the first.

    Raises:
        RunError: If a run has no evaluation, or they are not of one corpus, one tokenizer and one number of samples.
    """
    results = {folder: _evaluation(folder) for folder in folders}
    _require_alike(results)
    rows: dict[str, tuple[str, list[Result]]] = {}
    for folder, result in results.items():
        rows.setdefault(_recipe_key(folder), (str(folder), []))[1].append(result)
    return comparison(dict(rows.values()))


def _evaluation(folder: Path) -> Result:
    path = folder / "evaluation.json"
    try:
        result: Result = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise RunError(f"{folder} has no evaluation.json", f"run `latentia evaluate {folder} --data FILE`") from None
    except ValueError:
        raise RunError(f"{path} is no evaluation", f"run `latentia evaluate {folder}` again") from None
    return result


def _require_alike(results: dict[Path, Result]) -> None:
    """Numbers of different corpora or estimators do not belong in one table."""
    (first, reference), *others = results.items()
    for folder, result in others:
        for what, ours, theirs in (
            ("sequences", reference["sentences"], result["sentences"]),
            ("tokens", reference["tokens_with_eos"], result["tokens_with_eos"]),
        ):
            if ours != theirs:
                raise RunError(f"{first} was evaluated on {ours:,} {what} and {folder} on {theirs:,}", ALIKE)
        if reference["ppl_estimator"] != result["ppl_estimator"]:
            ours, theirs = reference["ppl_estimator"], result["ppl_estimator"]
            raise RunError(f"{first} was evaluated with {ours} and {folder} with {theirs}", ALIKE)


def _recipe_key(folder: Path) -> str:
    settings = load_recipe(str(folder / "recipe.yaml")).settings
    return yaml.safe_dump({key: value for key, value in settings.items() if key != "about"})
