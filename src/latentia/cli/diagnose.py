"""``latentia diagnose``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from latentia.cli.console import remarks, results
from latentia.cli.options import Run, seed_option

if TYPE_CHECKING:
    from latentia.evaluation.diagnosis import Verdict

UNHEALTHY = 3


def diagnose(
    run: Run,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Files to look at; the run's validation data without it.", show_default=False),
    ] = None,
    text: Annotated[
        str, typer.Option(help="Column of DATA that holds the text; the run's own without it.", show_default=False)
    ] = "",
    label: Annotated[str, typer.Option(help="Column of DATA that holds a label.", show_default=False)] = "",
    seed: Annotated[int, seed_option(help="Of the estimators' noise.")] = 0,
) -> None:
    """Say in plain words what is wrong with a run, on what evidence, and what would help.

    Writes RUN/diagnosis.json. Exit code 0 where nothing is wrong, 3 where something is.
    """
    from latentia.data import Columns
    from latentia.recipes.diagnose import diagnose_run
    from latentia.recipes.measure import Texts

    verdicts = diagnose_run(run, Texts(list(data or []), Columns(text, label)), seed, remarks)
    for verdict in verdicts:
        _show(verdict, run)
    if not any(not verdict.healthy for verdict in verdicts):
        results.print("[bold green]healthy[/]: neither collapsed nor holed, and trained long enough on enough text")
        return
    raise typer.Exit(UNHEALTHY)


def _show(verdict: Verdict, run: Path) -> None:
    colour = "yellow" if verdict.healthy else "red"
    name = f"worth knowing: {verdict.name}" if verdict.healthy else verdict.name
    results.print(f"[bold {colour}]{name}[/] ({verdict.confidence:.1%} sure): {escape(verdict.sentence)}")
    facts = Table.grid(padding=(0, 2))
    for fact, value in verdict.facts:
        facts.add_row(escape(fact), escape(value))
    results.print(Padding(facts, (0, 0, 0, 4), expand=False))
    remedy = verdict.remedy.replace("--resume RUN", f"--resume {run}")
    results.print(f"    what may help: {escape(remedy)}")
    results.print(f"    because {escape(verdict.reason)}\n")
