"""``latentia demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from latentia.cli.console import remarks, results
from latentia.cli.options import seed_option


def demo(
    corpus: Annotated[
        Literal["grammar", "pydoc"],
        typer.Option(help="Sentences of a grammar, or the prose of Python's documentation."),
    ] = "grammar",
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder to make; runs/demo-CORPUS-1, -2, ... without it.", show_default=False),
    ] = None,
    seed: Annotated[int, seed_option(help="Root of all randomness.")] = 1,
) -> None:
    """Train on a built-in corpus and show what came of it; nothing is downloaded."""
    from latentia.recipes.demonstration import demonstrate
    from latentia.training.interruption import interruption

    with interruption(within_time=True) as asked:
        try:
            folder = demonstrate(corpus, out, seed, results, remarks)
        except KeyboardInterrupt:
            remarks.print("interrupted")
            raise typer.Exit(asked.exit_code) from None
    results.print(f"run folder: {folder}", markup=False)
