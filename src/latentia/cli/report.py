"""``latentia report`` and ``plot``: runs as one page, and single figures of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentia.cli.console import remarks, results
from latentia.cli.options import Run, seed_option

Force = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, best evaluated before.")],
    out: Annotated[Path, typer.Option(help="File to write, .html.", show_default=False)],
    seed: Annotated[int, seed_option(help="Of the sentences that are chosen and the texts that are drawn.")] = 0,
    force: Force = False,
) -> None:
    r"""Write one page about runs: figures, numbers, texts, and the command that trains each again.

    The file holds all that it needs and loads nothing. Needs pip install 'latentia\[plots]'.
    """
    from latentia.reports import write_report

    write_report(runs, out, remarks, seed, force)
    results.print(f"report: {out}", markup=False)


def plot(
    run: Run,
    figure: Annotated[
        str,
        typer.Argument(
            metavar="FIGURE", help="training, rate-distortion, k-curve, dimensions, aggregate or calibration."
        ),
    ],
    out: Annotated[Path, typer.Option(help="File to write, .png, .svg or .pdf.", show_default=False)],
    seed: Annotated[int, seed_option(help="Of the order of the validation sentences.")] = 0,
    force: Force = False,
) -> None:
    r"""Write one figure of a run, and print its caption. Needs pip install 'latentia\[plots]'."""
    from latentia.reports import write_figure

    results.print(write_figure(run, figure, out, seed, force).caption, markup=False)
