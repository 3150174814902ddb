"""Write into each recipe what it measured under the protocol of docs/measured.md, if that has a row of it.

A recipe that says what it measures when trained to its end keeps that.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latentia.recipes import load_recipe

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "remedies"
RECIPES = ROOT / "src" / "latentia" / "recipes" / "library" / "text"
OWN = re.compile(r"^  expected: .*three passes.*\n", re.MULTILINE)
AFTER = re.compile(r"^about:\n(?:  .*\n)+", re.MULTILINE)


def measured() -> Iterator[tuple[Path, str]]:
    """Yield the file of each recipe of which there is a row, and what that says."""
    for path in sorted(RECIPES.glob("*.yaml")):
        result = RESULTS / f"{path.stem}-3-1" / "evaluation.json"
        if result.exists():
            steps = load_recipe(str(result.with_name("recipe.yaml"))).training().max_steps
            yield path, sentence(json.loads(result.read_text(encoding="utf-8")), steps)


def sentence(found: dict[str, Any], steps: int = 0) -> str:
    """Say what matters of an evaluation, in nats a sequence; ``steps`` where fewer were given than three passes have.

    >>> units = {"active_units": 9, "continuous_units": {}}
    >>> bounds = {"elbo": -2, "nll_iw": {"K": 5, "value": 1.96}}
    >>> found = {"tokens_with_eos": 8, "kl": 0.5, "mutual_information": {"value": 0.25}, **units, **bounds}
    >>> sentence(found).partition(" - ")[2]
    'negative ELBO 2.0, nll_iw(5) 2.0, KL 0.50, information 0.25, 9 active units'
    """
    budget = f"{steps:,} steps in place of three passes" if steps else "three passes"
    likelihood, continuous = found["nll_iw"], found["continuous_units"].get("0.03")
    information = found["mutual_information"]["value"]
    return (
        f"Penn Treebank test, {found['tokens_with_eos']:,} tokens, {budget} - negative ELBO {-found['elbo']:.1f}, "
        f"nll_iw({likelihood['K']}) {likelihood['value']:.1f}, KL {found['kl']:.2f}, "
        f"{'' if information is None else f'information {information:.2f}, '}{found['active_units']} active"
        f"{' units' if continuous is None else f' and {continuous} continuous units'}"
    )


def with_expected(recipe: str, expected: str) -> str:
    """Return the text of a recipe that says what it measured; one that knows more of itself stays as it is."""
    recipe = OWN.sub("", recipe)
    if "\n  expected:" in recipe:
        return recipe
    return AFTER.sub(lambda about: f"{about[0]}  expected: {expected}\n", recipe, count=1)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    for path, expected in measured():
        path.write_text(with_expected(path.read_text(encoding="utf-8"), expected), encoding="utf-8")
