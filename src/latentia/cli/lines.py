"""Texts of files, read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from latentia.cli.progress import Bar
from latentia.data import Columns
from latentia.data.reading import Record, read_lines
from latentia.data.sources import identify
from latentia.errors import InputError
from latentia.operations.lines import Located
from latentia.recipes.runs import columns_of


class Lines:
    """Reads files for an operation; the first row of the first file at once, the others as they are asked for.

    Args:
        run: Whose columns are read where none are named.
        columns: Of text and label.
        bar: Shows how many lines were read.
    """

    def __init__(self, run: Path, columns: Columns, bar: Bar) -> None:
        """Keep the settings; nothing is read yet."""
        self._run, self._columns, self._bar = run, columns, bar

    def texts(self, files: Sequence[str]) -> Iterator[str]:
        """Return the texts of files, each with its place; one that cannot be read has a fault, and will be refused.

        Raises:
            RunError: If there is no such run, which is asked for its column.
            DataError: If a file is missing or of an unknown format, or the first has no such column.
            InputError: If a column is named and no file has any.
        """
        if self._columns.text and all(identify(name).format == "txt" for name in files):
            raise InputError(
                f"--text {self._columns.text} is given for plain text, which has no columns", "leave it out"
            )
        column = self._columns.text or columns_of(self._run).text
        return map(_located, self._records(files, Columns(column)))

    def labelled(self, files: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Return the texts of files, as :meth:`texts` does, and their labels.

        Raises:
            RunError, DataError: As :meth:`texts` does.
            InputError: If neither the command nor the run names a column of labels.
        """
        own = columns_of(self._run)
        columns = Columns(self._columns.text or own.text, self._columns.label or own.label)
        if not columns.label:
            raise InputError("there is no label", "name the column that holds it with --label COLUMN")
        return ((_located(record), record.label) for record in self._records(files, columns))

    def _records(self, files: Sequence[str], columns: Columns) -> Iterator[Record]:
        records = read_lines(files, columns)
        first = list(islice(records, 1))
        return self._bar.counted(chain(first, records), "lines read")


def _located(record: Record) -> Located:
    return Located(record.text, record.where, record.fault)
