"""Streams of texts and labels from files, in bounded memory."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from latentia.data.report import ReadReport
from latentia.errors import DataError
from latentia.shapes import EOS, PAD, BOS, SPECIAL_TOKENS

MAX_LINE_BYTES = 2**20
"""A longer line is left out as over-long, and never held in memory."""

NO_LABEL = ""
RESERVED = tuple(SPECIAL_TOKENS[token] for token in (PAD, BOS, EOS))


@dataclass(frozen=True)
class Columns:
    """Names of the columns to read; an empty ``label`` reads none."""

    text: str = "text"
    label: str = NO_LABEL


@dataclass(frozen=True)
class Record:
    """One usable line."""

    text: str
    label: str
    where: str


def read_records(sources: Sequence[str], columns: Columns, report: ReadReport) -> Iterator[Record]:
    """Yield the usable lines of all sources, in order, and account for the others in the report.

    A source is a ``.txt`` (a sequence a line), ``.jsonl``, ``.csv``, ``.tsv`` or ``.parquet`` file, any of them
    ``.gz``, or the name of a Hugging Face dataset, ``hf:NAME``, ``hf:NAME:CONFIG`` or ``hf:NAME:CONFIG:SPLIT``.

    Empty lines, lines that are not UTF-8, lines with NUL bytes, malformed lines and lines longer than a
    megabyte are left out and counted.

    Raises:
        DataError: If a source is missing, empty, of an unknown kind, broken, or lacks a column.
    """
    for source in sources:
        before = report.read
        for record in _open(source)(source, columns, report):
            report.used += 1
            report.reserved_words += any(word in record.text for word in RESERVED)
            yield record
        if report.read == before:
            raise DataError(f"{source} is empty", "give a file with one sequence a line or row")


Reader = Callable[[str, Columns, ReadReport], Iterator[Record]]


def _open(source: str) -> Reader:
    """Choose the reader of a source by its name."""
    if source.startswith("hf:"):
        return _read_hub
    path = Path(source)
    if path.is_dir():
        raise DataError(f"{source} is a folder", "name the files in it")
    if not path.exists():
        raise DataError(f"{source} does not exist", "check the path; a Hugging Face dataset is written hf:NAME")
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    reader = READERS.get(suffixes[-1] if suffixes else "")
    if reader is None:
        raise DataError(f"{source} is of no known kind", f"name it {', '.join(sorted(READERS))}, with or without .gz")
    return reader


def _read_text(source: str, columns: Columns, report: ReadReport) -> Iterator[Record]:
    if columns.label:
        raise DataError(f"{source} has no column {columns.label!r}", "a .txt file holds texts alone; use .tsv, .csv, .jsonl or .parquet")
    for where, line in _lines(source, report):
        yield from _usable(line, NO_LABEL, where, report)


def _read_json_lines(source: str, columns: Columns, report: ReadReport) -> Iterator[Record]:
    for where, line in _lines(source, report):
        if not line.strip():
            report.leave_out("empty", where)
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            report.leave_out("malformed", where)
            continue
        _require(columns, list(row), where)
        yield from _from_row(row, columns, where, report)


def _read_delimited(source: str, columns: Columns, report: ReadReport) -> Iterator[Record]:
    delimiter = "\t" if ".tsv" in Path(source).suffixes else ","
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    scratch = ReadReport()
    lines = _lines(source, scratch)
    places: list[str] = []

    def texts() -> Iterator[str]:
        for where, line in lines:
            places[:] = [where]
            yield line + "\n"

    rows = csv.reader(texts(), delimiter=delimiter, quoting=quoting)
    header = next(_checked(rows, source), [])
    if header:
        _require(columns, header, source)
    for row in _checked(rows, source):
        report.read += 1
        if len(row) != len(header):
            report.leave_out("malformed" if row else "empty", places[0])
        else:
            yield from _from_row(dict(zip(header, row, strict=True)), columns, places[0], report)
    for kind, count in scratch.left_out.items():
        report.read += count
        report.left_out[kind] = report.left_out.get(kind, 0) + count
        report.first.setdefault(kind, scratch.first[kind])


def _checked(rows: Iterator[list[str]], source: str) -> Iterator[list[str]]:
    try:
        yield from rows
    except csv.Error as error:
        raise DataError(f"{source} is not delimited text ({error})", "quote fields that hold the delimiter or a line break") from None


def _read_parquet(source: str, columns: Columns, report: ReadReport) -> Iterator[Record]:
    wanted = [name for name in (columns.text, columns.label) if name]
    with _stream(source) as stream:
        try:
            table = pq.ParquetFile(stream if not source.endswith(".gz") else pa.BufferReader(stream.read()))
            _require(columns, table.schema_arrow.names, source)
            for rows in table.iter_batches(batch_size=4096, columns=wanted):
                for row in rows.to_pylist():
                    report.read += 1
                    yield from _from_row(row, columns, f"{source}:{report.read}", report)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{source} is no Parquet file ({error})", "write it again, or export it as .jsonl") from None


def _read_hub(source: str, columns: Columns, report: ReadReport) -> Iterator[Record]:
    try:
        from datasets import load_dataset  # an optional extra
    except ImportError:
        raise DataError(f"{source} needs the datasets library", "pip install 'latentia[hf]'") from None
    name, config, split = [*source.removeprefix("hf:").split(":"), "", ""][:3]
    try:
        rows = load_dataset(name, config or None, split=split or "train", streaming=True)
    except Exception as error:  # noqa: BLE001 - the library raises its own, and those of its transports
        raise DataError(f"{source} cannot be loaded ({type(error).__name__}: {error})", "check name, configuration, split and network") from None
    for number, row in enumerate(rows, start=1):
        if number == 1:
            _require(columns, list(row), source)
        report.read += 1
        yield from _from_row(row, columns, f"{source}:{number}", report)


READERS: dict[str, Reader] = {
    ".txt": _read_text,
    ".jsonl": _read_json_lines,
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".parquet": _read_parquet,
}


def _from_row(row: dict[str, object], columns: Columns, where: str, report: ReadReport) -> Iterator[Record]:
    """Yield the record of a row of named values."""
    text, label = row.get(columns.text), row.get(columns.label, NO_LABEL)
    if text is None or not isinstance(text, str) or isinstance(label, dict | list | None):
        report.leave_out("empty" if text is None else "malformed", where)
        return
    yield from _usable(text.replace("\r", " ").replace("\n", " "), str(label), where, report)


def _usable(text: str, label: str, where: str, report: ReadReport) -> Iterator[Record]:
    """Yield a text that is neither empty nor holds NUL."""
    if "\0" in text:
        report.leave_out("nul", where)
    elif not text.strip():
        report.leave_out("empty", where)
    else:
        yield Record(text.strip(), label, where)


def _lines(source: str, report: ReadReport) -> Iterator[tuple[str, str]]:
    """Yield place and text of each line that is UTF-8 and not too long; count the rest."""
    with _stream(source) as stream:
        for number, line in enumerate(_bounded_lines(stream, source), start=1):
            report.read += 1
            where = f"{source}:{number}"
            if len(line) > MAX_LINE_BYTES:
                report.leave_out("over_long", where)
                continue
            try:
                yield where, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                report.leave_out("invalid_utf8", where)


def _bounded_lines(stream: BinaryIO, source: str) -> Iterator[bytes]:
    """Yield lines; of one that is too long only its beginning."""
    try:
        while line := stream.readline(MAX_LINE_BYTES + 1):
            rest = line
            while not rest.endswith(b"\n") and len(rest) > MAX_LINE_BYTES:
                rest = stream.readline(MAX_LINE_BYTES + 1)
            yield line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        _broken(source, error)


def _broken(source: str, error: Exception) -> NoReturn:
    raise DataError(f"{source} is no whole gzip file ({error})", "compress it again") from None


def _stream(source: str) -> BinaryIO:
    """Open a file, through gzip where its name says so."""
    try:
        raw = open(source, "rb")  # noqa: SIM115 - the caller closes it
    except OSError as error:
        raise DataError(f"{source} cannot be opened ({error.strerror})", "check its permissions") from None
    return io.BufferedReader(gzip.GzipFile(fileobj=raw)) if source.lower().endswith(".gz") else raw


def _require(columns: Columns, found: Sequence[str], where: str) -> None:
    """Check that the columns are there."""
    for option, name in (("--text", columns.text), ("--label", columns.label)):
        if name and name not in found:
            raise DataError(f"{where} has no column {name!r}", f"name one with {option}; it has {', '.join(map(repr, found))}")
