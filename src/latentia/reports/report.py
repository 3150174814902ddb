"""Runs to one file that shows them, and one figure to a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from latentia.durable import write_atomically
from latentia.errors import InputError
from latentia.reports import tables
from latentia.reports.chart import Chart
from latentia.reports.diagnosis import diagnosed
from latentia.reports.figures import FIGURES, figure_of
from latentia.reports.gather import NotMeasuredError, RunView, views_of
from latentia.reports.interactive import plotly_script
from latentia.reports.markup import Markup
from latentia.reports.page import figures, missing, page, section, verdicts
from latentia.reports.static import FORMATS, rendered, require_matplotlib


def write_report(
    folders: Sequence[Path],
    out: Path,
    console: Console,
    seed: int = 0,
    force: bool = False,
) -> None:
    """Write one page about runs, which holds all that it needs.

    Args:
        folders: The runs.
        out: The file to write.
        console: Where to say what is being done.
        seed: Of the sentences that are chosen and the texts that are drawn.
        force: Replace the file if it is there.

    Raises:
        InputError: If the file is there, or a library is missing.
        RunError: If a folder is no run, or a file of it is damaged.
    """
    _require_place(out, (".html", ".htm"), force)
    require_matplotlib()
    plotly_script()
    runs = views_of(folders, seed)
    found = diagnosed(runs)
    shared = [name for name, figure in FIGURES.items() if figure.together]
    parts = [verdicts(found), _numbers(runs), *(_figure(name, runs) for name in shared)]
    contents = [
        *([("verdicts", "Diagnosis")] if found else []),
        ("numbers", "Numbers"),
        *((name, _heading(name)) for name in shared),
    ]
    for place, run in enumerate(runs, start=1):
        console.print(f"{run.name}: drawing and decoding", highlight=False, markup=False)
        parts.append(_run(run, f"run-{place}"))
        contents.append((f"run-{place}", run.name))
    title = f"Report: {', '.join(run.name for run in runs)}"
    write_atomically(out, page(title, contents, parts).encode())


def write_figure(folder: Path, name: str, out: Path, seed: int = 0, force: bool = False) -> Chart:
    """Write one figure of a run as PNG, SVG or PDF, by the ending of the file; return what it shows.

    Raises:
        InputError: If there is no such figure, its numbers are missing, or the file has another ending or is there.
        RunError: If the folder is no run, or a file of it is damaged.
    """
    figure = figure_of(name)
    _require_place(out, tuple(f".{form}" for form in FORMATS), force)
    require_matplotlib()
    chart = figure.draw(views_of([folder], seed))
    write_atomically(out, rendered(chart, out.suffix.lower().lstrip(".")))
    return chart


def _run(run: RunView, name: str) -> Markup:
    """All that is about one run."""
    drawn = [_figure(each, [run], f"{name}-", level=3) for each, figure in FIGURES.items() if not figure.together]
    told = [
        _told(f"{name}-interpolations", "Interpolations", tables.interpolations, run),
        _told(f"{name}-samples", "Samples", tables.samples, run),
        _told(f"{name}-environment", "How it was made", tables.environment, run),
    ]
    return section(name, run.name, *drawn, *told)


def _figure(name: str, runs: Sequence[RunView], prefix: str = "", level: int = 2) -> Markup:
    """A figure under its title, or why it is not there; holes that it marks are told below it."""
    try:
        chart = FIGURES[name].draw(runs)
    except NotMeasuredError as error:
        return section(prefix + name, _heading(name), missing(error), level=level)
    below = [tables.holes(runs[0])] if name == "aggregate" and runs[0].planes else []
    return section(prefix + name, chart.title, figures(chart), *below, level=level)


def _told(name: str, heading: str, make: Callable[[RunView], Markup], run: RunView) -> Markup:
    try:
        return section(name, heading, make(run), level=3)
    except NotMeasuredError as error:
        return section(name, heading, missing(error), level=3)


def _numbers(runs: Sequence[RunView]) -> Markup:
    try:
        return section("numbers", "Numbers", tables.numbers(runs))
    except NotMeasuredError as error:
        return section("numbers", "Numbers", missing(error))


def _heading(name: str) -> str:
    return name.replace("-", " ").capitalize()


def _require_place(out: Path, endings: Sequence[str], force: bool) -> None:
    """Refuse a file that cannot be written, before anything is done for it.

    Raises:
        InputError: If its ending is another, its folder is not there, or it is there itself.
    """
    if out.suffix.lower() not in endings:
        raise InputError(f"{out} does not end in {' or '.join(endings)}", "name another file with --out")
    if not out.parent.is_dir():
        raise InputError(f"the folder {out.parent} does not exist", "make it, or name another file with --out")
    if out.is_dir() or (out.exists() and not force):
        raise InputError(f"{out} exists", "name another file with --out, or replace it with --force")
