"""What is in a file, counted a second time: libraries read each format, and the rules of the manual judge it.

Of the package only the tokenizer is used, to tell which texts have no token, or too many.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq

from latentia.data import Corpus, ReadReport
from latentia.data.tokenizer import Tokenizer

LONGEST, LONGEST_CELL = 2**20, 131_072
"""Bytes of a line or of a text, and characters of a cell between commas, that are read."""

Row = tuple[object, object, str]
"""Text, label, and the fault of a row that is none."""


class RefusedError(Exception):
    """No line of the file is to be read."""


@dataclass
class Ledger:
    """What a reader must account for.

    Attributes:
        texts: The usable ones, in order.
        left_out: Other lines, by reason.
        refused: Why the file as a whole is to be refused.
        damaged: Whether the file is not what was written, and may be refused whatever can be read of it.
    """

    texts: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    refused: str = ""
    damaged: bool = False

    @property
    def lines(self) -> int:
        """Lines or rows in the file, the header of a table not counted."""
        return len(self.texts) + self.left_out.total()

    def cut_to(self, tokenizer: Tokenizer, most: int) -> Ledger:
        """Leave out texts of no token, and of more than so many."""
        sizes = [len(ids) for ids in tokenizer.encode_batch(self.texts)] if self.texts else []
        kept = [text for text, size in zip(self.texts, sizes, strict=True) if 0 < size <= most]
        more = {"empty": sizes.count(0), "over_long": sum(size > most for size in sizes)}
        return replace(self, texts=kept, left_out=+(self.left_out + Counter(more)))

    def difference(self, corpus: Corpus, report: ReadReport) -> str:
        """Say where the account of the package is another one."""
        if self.refused:
            return f"taken, and it is to be refused: {self.refused}"
        expected = {"read": self.lines, "used": len(self.texts), "left out": dict(self.left_out)}
        found = {"read": report.read, "used": report.used, "left out": report.left_out}
        if found != expected:
            return f"{found} was told, and {expected} is there"
        texts = [corpus.text(row) for row in range(len(corpus))]
        return "" if texts == self.texts else f"{texts!r} was written, and {self.texts!r} is there"


def ledger(content: bytes, suffix: str, label: str = "") -> Ledger:
    """Count the lines of a file with a column ``text``, and those of each reason."""
    found = Ledger()
    try:
        for text, cell, fault in _rows(content, suffix, label):
            clean, fault = judged(text) if not fault else ("", fault)
            if not fault and label and not _is_label(cell):
                fault = "malformed"
            if fault:
                found.left_out[fault] += 1
            else:
                found.texts.append(clean)
    except RefusedError as error:
        return Ledger(refused=str(error))
    return found if found.lines else Ledger(refused="nothing is in it")


def judged(cell: object) -> tuple[str, str]:
    """Return a text as it is to be stored, or its fault."""
    if not isinstance(cell, str | bytes):
        return "", "malformed"
    if len(cell) > LONGEST:
        return "", "over_long"
    raw = cell if isinstance(cell, bytes) else cell.encode(errors="surrogatepass")
    text = raw.decode(errors="replace")
    if text.encode() != raw:
        return "", "invalid_utf8"
    if b"\0" in raw:
        return "", "nul"
    stripped = text.translate({ord("\r"): " ", ord("\n"): " "}).strip()
    return stripped, "" if stripped else "empty"


def _is_label(cell: object) -> bool:
    if isinstance(cell, int | float):
        return math.isfinite(cell)
    return not judged(cell)[1]


def _rows(content: bytes, suffix: str, label: str) -> Iterator[Row]:
    kind, _, compressed = suffix.partition(".")
    if compressed:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise RefusedError("no gzip file") from error
    if kind == "txt" and label:
        raise RefusedError("plain text has no labels")
    rows = _table_of_arrow(content, label) if kind == "parquet" else _OF_LINES[kind](_lines(content), label)
    yield from rows


def _lines(content: bytes) -> list[bytes]:
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines]


def _of_text(lines: list[bytes], _: str) -> Iterator[Row]:
    return ((line, "", "over_long" if len(line) > LONGEST else "") for line in lines)


def _of_json(lines: list[bytes], label: str) -> Iterator[Row]:
    named = False
    for line in lines:
        tree, fault = _object(line)
        if not fault and not named:
            _require(list(tree), label)
            named = True
        yield tree.get("text"), tree.get(label), fault


def _object(line: bytes) -> tuple[dict[str, object], str]:
    if len(line) > LONGEST:
        return {}, "over_long"
    if not line.strip():
        return {}, "empty"
    if line.decode(errors="replace").encode() != line:
        return {}, "invalid_utf8"
    try:
        tree = json.loads(line)
    except (ValueError, RecursionError):
        return {}, "nul" if b"\0" in line else "malformed"
    return (tree, "") if isinstance(tree, dict) else ({}, "malformed")


def _of_commas(lines: list[bytes], label: str) -> Iterator[Row]:
    """Rows that a quote joins are one; where they are none each of their lines is malformed."""
    lines, long = _shorter(lines)
    yield from long
    reader = csv.reader((line.decode(errors="surrogateescape") + "\n" for line in lines), strict=True)
    header: list[str] | None = None
    while reader.line_num < len(lines):
        before = reader.line_num
        try:
            cells = next(reader)
        except csv.Error as error:
            cells, fault = None, "over_long" if str(LONGEST_CELL) in str(error) else "malformed"
        if header is None:
            header = _require(cells or [], label)
            continue
        joined = reader.line_num - before
        row = _picked(header, cells, label) if cells is not None else (None, None, fault)
        yield row
        yield from [(None, None, "malformed")] * (joined - 1 if row[2] else 0)


def _shorter(lines: list[bytes]) -> tuple[list[bytes], list[Row]]:
    """Take away the lines of a table that are not read; without a header the file is refused."""
    long = [line for line in lines if len(line) > LONGEST]
    if lines and lines[0] in long:
        raise RefusedError("the header is too long")
    return [line for line in lines if len(line) <= LONGEST], [(None, None, "over_long")] * len(long)


def _of_tabs(lines: list[bytes], label: str) -> Iterator[Row]:
    lines, long = _shorter(lines)
    table = [line.decode(errors="surrogateescape").split("\t") for line in lines]
    header = _require(table[0] if table else [], label)
    return chain(long, (_picked(header, cells, label) for cells in table[1:]))


_OF_LINES = {"txt": _of_text, "jsonl": _of_json, "csv": _of_commas, "tsv": _of_tabs}


def _require(header: list[str], label: str) -> list[str]:
    if any(header.count(name) != 1 for name in ("text", label) if name):
        raise RefusedError("a column is not there, or there twice")
    return header


def _picked(header: list[str], cells: list[str], label: str) -> Row:
    if cells in ([], [""]):
        return None, None, "empty"
    if len(cells) != len(header):
        return None, None, "malformed"
    # Bytes that are no UTF-8 came in as surrogates.
    row = {name: cell.encode(errors="surrogateescape") for name, cell in zip(header, cells, strict=True)}
    return row["text"], row.get(label, b""), ""


def _table_of_arrow(content: bytes, label: str) -> Iterable[Row]:
    try:
        return _rows_of_arrow(content, label)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise RefusedError("no Parquet file") from error


def _rows_of_arrow(content: bytes, label: str) -> Iterable[Row]:
    schema = pq.read_schema(io.BytesIO(content))
    _require(schema.names, label)
    allowed = (_is_string, _is_string if not label else _is_class)
    for name, fits in zip(("text", label), allowed, strict=True):
        if name and not fits(_plain(schema.field(name).type)):
            raise RefusedError("a column of another type")
    table = pq.read_table(io.BytesIO(content), columns=[name for name in ("text", label) if name])
    texts = _values(table.column("text"))
    return zip(texts, _values(table.column(label)) if label else texts, [""] * table.num_rows, strict=True)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_string(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def _is_class(kind: pa.DataType) -> bool:
    return _is_string(kind) or pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _values(column: pa.ChunkedArray) -> list[object]:
    plain = column.cast(_plain(column.type)) if pa.types.is_dictionary(column.type) else column
    return (plain.cast(pa.large_string()).cast(pa.large_binary()) if _is_string(plain.type) else plain).to_pylist()
