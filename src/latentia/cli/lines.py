"""Texts of files, read as they are needed, with a bar of how far it came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from latentia.cli.console import remarks, results
from latentia.data import Columns
from latentia.data.reading import Record, read_lines
from latentia.errors import InputError
from latentia.operations.lines import Located
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
        self._run, self._columns = run, columns
        shown = remarks.is_terminal and (into_file or not results.is_terminal)
        parts = (SpinnerColumn(), TextColumn("{task.completed:,} lines"), _Rate(), TimeElapsedColumn())
        self._bar = Progress(*parts, console=remarks, transient=True, disable=not shown)

    def texts(self, files: Sequence[str]) -> Iterator[str]:
        """Yield the texts of files, each with its place; one that cannot be read has a fault, and will be refused."""
        column = self._columns.text or columns_of(self._run).text
        return map(_located, self._records(files, Columns(column)))

    def labelled(self, files: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield the texts of files, as :meth:`texts` does, and their labels.

        Raises:
            InputError: If neither the command nor the run names a column of labels.
        """
        own = columns_of(self._run)
        columns = Columns(self._columns.text or own.text, self._columns.label or own.label)
        if not columns.label:
            raise InputError("there is no label", "name the column that holds it with --label COLUMN")
        return ((_located(record), record.label) for record in self._records(files, columns))

    def _records(self, files: Sequence[str], columns: Columns) -> Iterator[Record]:
        """Yield records, and move the bar."""
        self._bar.start()
        task = self._bar.add_task("", total=None)
        for number, record in enumerate(read_lines(files, columns), start=1):
            if number % SHOWN_EVERY == 0:
                self._bar.update(task, completed=number)
            yield record

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        self._bar.stop()


def _located(record: Record) -> Located:
    return Located(record.text, record.where, record.fault)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} a second" if task.speed else "")
