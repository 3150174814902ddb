"""Texts of files, read as they are needed, with an account of what was left out and a bar of how far it came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from latentia.cli.console import remarks, results
from latentia.data import Columns, ReadReport
from latentia.data.reading import Record, read_records
from latentia.errors import InputError
from latentia.recipes.runs import columns_of

SHOWN_EVERY = 256


class Lines(AbstractContextManager["Lines"]):
    """Reads files for an operation.

    Args:
        run: Whose columns are read where none are named.
        columns: Of text and label.
        into_file: Whether answers go to a file; where they are printed to the terminal they would tear a bar.
    """

    def __init__(self, run: Path, columns: Columns, into_file: bool) -> None:
        """Keep the settings; nothing is read yet."""
        self._run, self._columns, self._report = run, columns, ReadReport()
        shown = remarks.is_terminal and (into_file or not results.is_terminal)
        parts = (SpinnerColumn(), TextColumn("{task.completed:,} lines"), _Rate(), TimeElapsedColumn())
        self._bar = Progress(*parts, console=remarks, transient=True, disable=not shown)

    def texts(self, files: Sequence[str]) -> Iterator[str]:
        """Yield the usable texts of files."""
        column = self._columns.text or columns_of(self._run).text
        return (record.text for record in self._records(files, Columns(column)))

    def labelled(self, files: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield the usable texts of files and their labels.

        Raises:
            InputError: If neither the command nor the run names a column of labels.
        """
        own = columns_of(self._run)
        columns = Columns(self._columns.text or own.text, self._columns.label or own.label)
        if not columns.label:
            raise InputError("there is no label", "name the column that holds it with --label COLUMN")
        return ((record.text, record.label) for record in self._records(files, columns))

    def _records(self, files: Sequence[str], columns: Columns) -> Iterator[Record]:
        """Yield records, and move the bar."""
        self._bar.start()
        task = self._bar.add_task("", total=None)
        for number, record in enumerate(read_records(files, columns, self._report), start=1):
            if number % SHOWN_EVERY == 0:
                self._bar.update(task, completed=number)
            yield record

    def __exit__(self, *_: object) -> None:
        """Take the bar away, and say what was left out."""
        self._bar.stop()
        if self._report.left_out:
            remarks.print("; ".join(self._report.sentences()), markup=False)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} a second" if task.speed else "")
