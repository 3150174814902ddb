"""Streams of texts and labels from files and datasets, in bounded memory.

Neither a long file nor a long line takes more memory. Every line is used or counted; nothing is repaired:

* only LF and CRLF end a line, and a byte-order mark at the start of a file is dropped;
* white space around a text is dropped, line breaks in a cell become spaces; a text of nothing else is ``empty``;
* a line that is not UTF-8 (or holds a lone surrogate), or holds NUL, is left out;
* a line of more than a megabyte is ``over_long``, skipped to its end without being held;
* ``.jsonl``: a line that is no JSON object with a text is ``malformed``;
* ``.csv``: a row with more or fewer cells than the header, or with broken quotes, is ``malformed``; a cell of more
  than 131,072 characters is ``over_long``; each further line that a stray quote joined to such a row is ``malformed``;
* ``.tsv``: a line is a row and quotes are characters, so that a stray one joins no rows;
* ``.parquet`` and datasets: a null text is ``malformed``;
* with a label column, a row without a label is ``malformed``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from latentia.data.columnar import read_hub, read_parquet
from latentia.data.formats import read_csv, read_jsonl, read_tsv, read_txt
from latentia.data.report import MAX_LINE_BYTES, ReadReport
from latentia.data.rows import Columns, Row
from latentia.data.sources import Source, empty_file, identify
from latentia.shapes import BOS, EOS, PAD, SPECIAL_TOKENS

RESERVED = tuple(SPECIAL_TOKENS[token] for token in (PAD, BOS, EOS))

READERS: dict[str, Callable[[Source, Columns, int], Iterator[Row]]] = {
    "txt": read_txt,
    "jsonl": read_jsonl,
    "csv": read_csv,
    "tsv": read_tsv,
    "parquet": read_parquet,
    "hub": read_hub,
}


@dataclass(frozen=True, slots=True)
class Record:
    """One line, usable unless it has a fault."""

    text: str
    label: str
    where: str
    fault: str = ""


def read_records(sources: Sequence[str], columns: Columns, report: ReadReport) -> Iterator[Record]:
    """Yield the usable lines of all sources, in order, and account for the others in the report.

    A source is a ``.txt`` (a sequence a line), ``.jsonl``, ``.csv``, ``.tsv`` or ``.parquet`` file, any of them
    ``.gz``, or a Hugging Face dataset, ``hf:NAME``, ``hf:NAME:SPLIT`` or ``hf:NAME:CONFIG:SPLIT``.

    Raises:
        DataError: If a source is missing, empty, of an unknown format, damaged, or lacks a column, or if no line of
            any is usable.
    """
    identified = [identify(name) for name in sources]
    report.sources += [source.name for source in identified]
    for record in chain.from_iterable(_judged(source, columns) for source in identified):
        report.read += 1
        if record.fault:
            report.leave_out(record.fault, record.where)
            continue
        report.used += 1
        report.reserved_words += "<" in record.text and any(word in record.text for word in RESERVED)
        yield record
    report.require(1)


def read_lines(sources: Sequence[str], columns: Columns) -> Iterator[Record]:
    """Yield every line of all sources, in order; those that cannot be used have a fault and no text.

    Raises:
        DataError: If a source is missing, empty, of an unknown format, damaged, or lacks a column.
    """
    return chain.from_iterable(_judged(source, columns) for source in [identify(name) for name in sources])


def read_texts(sources: Sequence[str], columns: Columns) -> Iterator[str]:
    """Yield the usable texts of all sources."""
    return (record.text for record in read_records(sources, columns, ReadReport()))


def _judged(source: Source, columns: Columns) -> Iterator[Record]:
    """Judge the rows of one source."""
    found = False
    for row in READERS[source.format](source, columns, MAX_LINE_BYTES):
        found = True
        yield _judge(row, bool(columns.label), f"{source.name}:{row.line}")
    if not found:
        raise empty_file(source.name)


def _judge(row: Row, labelled: bool, where: str) -> Record:
    """Take the clean text and label of a row, or the kind of its fault."""
    text, fault = clean_text(row.text) if not row.fault else ("", row.fault)
    label = _label(row.label) if labelled and not fault else ""
    fault = fault or ("malformed" if labelled and not label else "")
    return Record("" if fault else text, label, where, fault)


def clean_text(raw: object) -> tuple[str, str]:
    r"""Return a text without white space around it, or the kind of its fault.

    >>> clean_text(b" so it goes "), clean_text("a\0b"), clean_text(b"\xff"), clean_text(7)
    (('so it goes', ''), ('', 'nul'), ('', 'invalid_utf8'), ('', 'malformed'))
    """
    if isinstance(raw, str | bytes) and len(raw) > MAX_LINE_BYTES:
        return "", "over_long"
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
        if not isinstance(text, str):
            return "", "malformed"
        if not text.isascii():
            text.encode()  # A lone surrogate, legal in JSON, is found here and nowhere later.
    except UnicodeError:
        return "", "invalid_utf8"
    if "\0" in text:
        return "", "nul"
    text = text.replace("\r", " ").replace("\n", " ").strip()
    return text, "" if text else "empty"


def _label(raw: object) -> str:
    """Name a class by a cell of text, truth value or finite number; empty when it is none of these."""
    if isinstance(raw, bool | int) or (isinstance(raw, float) and math.isfinite(raw)):
        return str(raw)
    return clean_text(raw)[0]
