"""What the options of several commands have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from latentia.errors import InputError

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]

seed_option = partial(typer.Option, min=0, max=2**63 - 1)
"""A seed that every generator takes; needs its ``help``."""


def assignments(texts: Sequence[str] | None) -> list[tuple[str, object]]:
    """Split each KEY=VALUE of ``--set``; the values are YAML.

    Raises:
        InputError: If one has no key or no equals sign.
        RecipeError: If a value is no YAML.
    """
    return [_assignment(text) for text in texts or ()]


def _assignment(text: str) -> tuple[str, object]:
    """Split KEY=VALUE; the value is YAML."""
    from latentia.recipes.library import parse_yaml

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"--set {text} is no KEY=VALUE", "write for instance --set training.epochs=5")
    return key, parse_yaml(value, f"--set {key}")
