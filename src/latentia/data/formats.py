"""Readers of formats of lines: plain text, JSON lines, comma- and tab-separated tables."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from io import BufferedReader
from typing import Any

from latentia.data.rows import Columns, Row, require_columns
from latentia.data.sources import Source, empty_file, opened
from latentia.errors import DataError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PIECE = 2**20


def bounded_lines(stream: BufferedReader, max_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield number and bytes of each line without its end; ``None`` for a line over the limit."""
    number = 0
    while data := stream.readline(max_bytes + 2):
        number += 1
        if not data.endswith(b"\n") and len(data) == max_bytes + 2:
            _skip_line(stream)
            yield number, None
            continue
        content = data.removesuffix(b"\n").removesuffix(b"\r")
        content = content.removeprefix(_BYTE_ORDER_MARK) if number == 1 else content
        yield number, content if len(content) <= max_bytes else None


def _skip_line(stream: BufferedReader) -> None:
    """Read to the end of a line in pieces, keeping none."""
    while (piece := stream.readline(_PIECE)) and not piece.endswith(b"\n"):
        pass


def read_txt(source: Source, columns: Columns, max_bytes: int) -> Iterator[Row]:
    """Take every line as a text."""
    if columns.label:
        raise DataError(
            f"{source.name} is plain text and has no column {columns.label!r}",
            "give labels in a .tsv, .csv, .jsonl or .parquet file, or do without",
        )
    with opened(source) as stream:
        for number, line in bounded_lines(stream, max_bytes):
            yield Row(number, fault="over_long") if line is None else Row(number, line)


def read_jsonl(source: Source, columns: Columns, max_bytes: int) -> Iterator[Row]:
    """Take the columns of one JSON object a line; the first object must have them."""
    checked = False
    with opened(source) as stream:
        for number, line in bounded_lines(stream, max_bytes):
            value, fault = _parse_json(line)
            if not fault and not checked:
                require_columns(source.name, columns, list(value))
                checked = True
            yield Row(number, value.get(columns.text), value.get(columns.label), fault)


def _parse_json(line: bytes | None) -> tuple[dict[str, Any], str]:
    """Parse one line to an object, or name its fault."""
    if line is None:
        return {}, "over_long"
    if not line.strip():
        return {}, "empty"
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        return {}, "invalid_utf8"
    except (ValueError, RecursionError):
        return {}, "nul" if b"\0" in line else "malformed"
    return (value, "") if isinstance(value, dict) else ({}, "malformed")


def read_csv(source: Source, columns: Columns, max_bytes: int) -> Iterator[Row]:
    """Take the columns of comma-separated rows."""
    with opened(source) as stream:
        lines = _Lines(stream, max_bytes)
        yield from _table(source.name, columns, lines, csv.reader(lines, strict=True))


def read_tsv(source: Source, columns: Columns, max_bytes: int) -> Iterator[Row]:
    """Take the columns of tab-separated lines."""
    with opened(source) as stream:
        lines = _Lines(stream, max_bytes)
        yield from _table(source.name, columns, lines, (line.rstrip("\n").split("\t") for line in lines))


class _Lines:
    """The lines of a table as text; undecodable bytes become surrogates, which a later check counts."""

    def __init__(self, stream: BufferedReader, max_bytes: int) -> None:
        self._lines = bounded_lines(stream, max_bytes)
        self.number, self.over_long = 0, set[int]()

    def __iter__(self) -> Iterator[str]:
        for number, line in self._lines:
            self.number = number
            if line is None:
                self.over_long.add(number)
            else:
                yield line.decode(errors="surrogateescape") + "\n"

    def taken_over_long(self) -> set[int]:
        """Return the numbers of the lines left out since the last call."""
        taken, self.over_long = self.over_long, set()
        return taken


def _table(name: str, columns: Columns, lines: _Lines, rows: Iterator[list[str]]) -> Iterator[Row]:
    """Take the columns of the rows below a header."""
    header, fault = _next_row(rows)
    if fault or lines.over_long:
        raise DataError(
            f"the header of {name} (line 1) is {fault or 'over_long'}", "put the names of the columns on the first line"
        )
    if header is None:
        raise empty_file(name)
    require_columns(name, columns, header)
    while True:
        before = lines.number
        cells, fault = _next_row(rows)
        over_long = lines.taken_over_long()
        yield from (Row(number, fault="over_long") for number in sorted(over_long))
        if cells is None and not fault:
            return
        own = (number for number in range(before + 1, lines.number + 1) if number not in over_long)
        row = _pick(header, columns, cells or [], next(own, lines.number), fault)
        yield row
        if row.fault:
            # A stray quote joins lines that may have been good: each is one that was lost.
            yield from (Row(number, fault="malformed") for number in own)


def _next_row(rows: Iterator[list[str]]) -> tuple[list[str] | None, str]:
    """Return the cells of the next row, or its fault; neither at the end."""
    try:
        return next(rows, None), ""
    except csv.Error as error:
        return None, "over_long" if "field limit" in str(error) else "malformed"


def _pick(header: list[str], columns: Columns, cells: list[str], line: int, fault: str) -> Row:
    """Pick the columns from the cells of a row."""
    if fault or cells in ([], [""]):
        return Row(line, fault=fault or "empty")
    if len(cells) != len(header):
        return Row(line, fault="malformed")
    label = cells[header.index(columns.label)] if columns.label else ""
    return Row(line, cells[header.index(columns.text)], label)
