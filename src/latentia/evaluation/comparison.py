"""Evaluations side by side, every column with its estimator."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

Result = dict[str, Any]
Grid = list[list[str]]

TITLE, FRAME = 36, 3
"""Characters that are kept for what a number is, and that a column needs beside its cells."""


@dataclass(frozen=True)
class Column:
    """One number of an evaluation.

    Attributes:
        header: What it is and how it was estimated.
        value: Reads it; none where the evaluation has none.
        error: Reads its standard error; none where it has none.
        digits: Digits after the point.
    """

    header: str
    value: Callable[[Result], float | None]
    error: Callable[[Result], float | None] = lambda _: None
    digits: int = 2


def columns(results: Sequence[Result]) -> list[Column]:
    """Return the columns of evaluations that share corpus and estimators."""
    decoded = [result["text"] for result in results if "text" in result]
    return [*_likelihood_and_space(results[0]), *(_text(decoded) if decoded else ()), *_training()]


def _likelihood_and_space(result: Result) -> list[Column]:
    name, cap = result["ppl_estimator"], result["mutual_information"]["cap"]
    return [
        Column("-ELBO, nats", lambda r: -r["elbo"], lambda r: r["standard_errors"]["elbo"]),
        Column(f"{name}, nats", lambda r: r["nll_iw"]["value"], lambda r: r["nll_iw"]["standard_error"]),
        Column(
            f"PPL with EOS, {name}",
            lambda r: r["ppl_word_with_eos"],
            lambda r: r["standard_errors"]["ppl_word_with_eos"],
        ),
        Column("KL, closed form (mixture prior: draws)", lambda r: r["kl"], lambda r: r["standard_errors"]["kl"]),
        Column(
            f"information, full set (cap {cap:.2f})",
            lambda r: r["mutual_information"]["value"],
            lambda r: r["mutual_information"]["standard_error"],
        ),
        Column("active units (0.01)", lambda r: r["active_units"], digits=0),
        Column("continuous units (0.03)", lambda r: r["continuous_units"].get("0.03"), digits=0),
        Column("KL(p(z) || q(z)), draws", lambda r: r["joint_gap"], lambda r: r["joint_gap_standard_error"]),
        Column("KL(q(z) || p(z)), draws", lambda r: r["aggregate_kl"], lambda r: r["aggregate_kl_standard_error"]),
    ]


def _text(decoded: Sequence[Result]) -> list[Column]:
    """Columns about what was decoded; paths are counted where there are any."""
    count, order = decoded[0]["sequences"], decoded[0]["language_model"]["order"]
    path = max((text["interpolation"] for text in decoded), key=lambda path: path["pairs"])
    return [
        _nested(f"BLEU, {count:,} posterior centres, greedy", "text", "reconstruction"),
        _nested(f"forward PPL a token, {count:,} samples, {order}-gram of training text", "text", "forward", digits=1),
        _nested(f"reverse PPL a token, {order}-gram of {count:,} samples", "text", "reverse", digits=1),
        _nested(
            f"ROUGE-L to both ends, {path['pairs']:,} paths of {path['points']}", "text", "interpolation", digits=3
        ),
    ]


def _training() -> list[Column]:
    """Columns about the training, which the numbers before do not depend on."""
    return [
        _nested("seconds an epoch, the fastest, on whatever machine", "training", "seconds_an_epoch", digits=1),
        _nested("tokens/s, median, on whatever machine", "training", "tokens_per_second", digits=0),
    ]


def _nested(header: str, part: str, name: str, digits: int = 2) -> Column:
    """A column of an estimate in a part that not every evaluation has."""

    def read(result: Result, entry: str) -> float | None:
        number: float | None = result.get(part, {}).get(name, {}).get(entry)
        return number

    return Column(header, lambda result: read(result, "value"), lambda result: read(result, "standard_error"), digits)


def comparison(results: Mapping[str, Sequence[Result]]) -> Grid:
    """Lay out a header and one row a name: a value and its standard error, or of several runs their mean and spread.

    All results share corpus and estimators.
    """
    shown = columns([result for runs in results.values() for result in runs])
    header = ["", *(column.header for column in shown)]
    return [header, *([name, *(_cell(column, runs) for column in shown)] for name, runs in results.items())]


def numbers(results: Mapping[str, Sequence[Result]]) -> Grid:
    """Lay out the same for a program: of each column the value, its standard error and the spread of runs, one a cell.

    Digits are not rounded, and what there is none of is empty. The second column has the number of runs.
    """
    shown = columns([result for runs in results.values() for result in runs])
    parts = ("", ": standard error", ": standard deviation of runs")
    header = ["run", "runs", *(column.header + part for column in shown for part in parts)]
    rows = [[name, str(len(runs)), *_flat(shown, runs)] for name, runs in results.items()]
    return [header, *rows]


def as_table(grid: Grid) -> Table:
    """Lay out a grid for the terminal."""
    header, *rows = grid
    table = Table()
    for number, title in enumerate(header):
        table.add_column(escape(title), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def side_by_side(grid: Grid, width: int) -> list[Table]:
    """Lay out a grid with a row for each number and a column for each run, in as many tables as a line's width asks.

    Args:
        grid: From ``comparison``.
        width: Characters of a line.
    """
    header, *runs = grid
    widest = max(len(cell) for _, *cells in runs for cell in cells)
    together = max(1, (width - TITLE) // (widest + FRAME))
    parts = [runs[first : first + together] for first in range(0, len(runs), together)]
    return [as_table([list(row) for row in zip(header, *part, strict=True)]) for part in parts]


def as_markdown(grid: Grid) -> str:
    """Lay out a grid for a document.

    >>> print(as_markdown([["", "KL"], ["vae", "1.2"]]))
    |  | KL |
    |---|---:|
    | vae | 1.2 |
    """
    header, *rows = [[cell.replace("|", "\\|") for cell in row] for row in grid]
    rule = "|---|" + "---:|" * (len(header) - 1)
    return "\n".join([_line(header), rule, *map(_line, rows)])


def as_csv(grid: Grid) -> str:
    """Lay out a grid for a spreadsheet."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(grid)
    return text.getvalue().rstrip("\n")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(column: Column, runs: Sequence[Result]) -> str:
    value, error, spread, count = _summary(column, runs)
    if value is None:
        return "none"
    if spread is not None:
        form = f"z.{max(1, column.digits)}f"  # a mean of counts is no count
        return f"{value:{form}} (sd {spread:{form}}, {count} runs)"
    form = f"z.{column.digits}f"
    return f"{value:{form}}" + (f" ± {error:{form}}" if error is not None else "")


def _flat(shown: Sequence[Column], runs: Sequence[Result]) -> list[str]:
    found = (_summary(column, runs)[:3] for column in shown)
    return ["" if number is None else str(number) for summary in found for number in summary]


def _summary(column: Column, runs: Sequence[Result]) -> tuple[float | None, float | None, float | None, int]:
    """Return the mean, the standard error if it is of one run, the deviation if it is of more, and how many have it."""
    found = [(value, column.error(run)) for run in runs if (value := column.value(run)) is not None]
    values = [value for value, _ in found]
    if len(values) < 2:
        return (*found[0], None, 1) if found else (None, None, None, 0)
    return statistics.mean(values), None, statistics.stdev(values), len(values)
