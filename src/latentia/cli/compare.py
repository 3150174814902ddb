"""``latentia compare``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from latentia.cli.console import results


class Format(StrEnum):
    """How a table is written."""

    TABLE = "table"
    MARKDOWN = "markdown"
    CSV = "csv"


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, evaluated on the same data.")],
    form: Annotated[Format, typer.Option("--format", help="How to write the table.")] = Format.TABLE,
) -> None:
    """Print evaluated runs side by side; runs of one recipe are one, with mean and standard deviation."""
    from latentia.evaluation.comparison import as_csv, as_markdown, comparison, numbers, side_by_side
    from latentia.recipes.compare import compare_runs

    grid = compare_runs(runs, numbers if form is Format.CSV else comparison)
    if form is Format.TABLE:
        results.print(*side_by_side(grid, results.width))
    else:
        results.print(as_markdown(grid) if form is Format.MARKDOWN else as_csv(grid), markup=False, soft_wrap=True)
