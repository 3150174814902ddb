"""Texts of files, read as they are needed, with an account of what was left out and a bar of how far it came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from latentia.cli.console import remarks, results
from latentia.data import Columns, ReadReport
from latentia.data.reading import read_records
from latentia.recipes.runs import sources_of

SHOWN_EVERY = 256


class Lines(AbstractContextManager["Lines"]):
    """Reads files for an operation.

    Args:
        run: Whose column of text is read where none is named.
        column: The column of text.
        into_file: Whether answers go to a file; where they are printed to the terminal they would tear a bar.
    """

    def __init__(self, run: Path, column: str, into_file: bool) -> None:
        """Keep the settings; nothing is read yet."""
        self._run, self._column, self._report = run, column, ReadReport()
        shown = remarks.is_terminal and (into_file or not results.is_terminal)
        columns = (SpinnerColumn(), TextColumn("{task.completed:,} lines"), _Rate(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=remarks, transient=True, disable=not shown)

    def texts(self, files: Sequence[str]) -> Iterator[str]:
        """Yield the usable texts of files."""
        column = self._column or sources_of(self._run).columns.text
        self._bar.start()
        task = self._bar.add_task("", total=None)
        for number, record in enumerate(read_records(files, Columns(column), self._report), start=1):
            if number % SHOWN_EVERY == 0:
                self._bar.update(task, completed=number)
            yield record.text

    def __exit__(self, *_: object) -> None:
        """Take the bar away, and say what was left out."""
        self._bar.stop()
        if self._report.left_out:
            remarks.print("; ".join(self._report.sentences()), markup=False)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} a second" if task.speed else "")
