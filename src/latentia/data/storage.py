"""The Arrow file of a corpus, written in chunks."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from latentia.data.mapping import LABELS_KEY, Columnar, numbers, schema_of, views
from latentia.data.reading import Record
from latentia.data.report import ReadReport
from latentia.data.tokenizer import Tokenizer
from latentia.durable import make_folder, stored, sync
from latentia.shapes import UNK

CHUNK_ROWS = 4096
CHUNK_CHARACTERS = 2**24
"""A chunk ends at either, so that its size is bounded whatever the length of the texts."""


@dataclass(frozen=True)
class Limits:
    """The longest sequence in tokens, EOS not counted, and whether longer ones are cut to it or left out."""

    max_tokens: int
    cut: bool = False


def write_file(
    records: Iterable[Record], tokenizer: Tokenizer, path: Path, limits: Limits, report: ReadReport, minimum: int
) -> None:
    """Write the file of a corpus in chunks; it appears under its name only when it is whole.

    Raises:
        DataError: If fewer than ``minimum`` sequences are usable.
        StorageError: If the disk does not take the file.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        make_folder(path.parent)
        with stored(path), pa.OSFile(str(unfinished), "wb") as sink:
            _write(records, _Encoder(tokenizer, limits, report), sink)
        report.require(minimum)
        sync(unfinished)
        with stored(path):
            unfinished.replace(path)
        sync(path.parent)
    finally:
        with suppress(OSError):  # what cannot be removed now is there at the next start
            unfinished.unlink(missing_ok=True)


def write_memory(records: Iterable[Record], tokenizer: Tokenizer) -> Columnar:
    """Write the same file to memory, for a few texts of any length, and open it."""
    sink = pa.BufferOutputStream()
    _write(records, _Encoder(tokenizer, Limits(max_tokens=2**31 - 1), ReadReport()), sink)
    return views(sink.getvalue())


class _Encoder:
    """Turns records into Arrow batches, numbering the labels as they come."""

    def __init__(self, tokenizer: Tokenizer, limits: Limits, report: ReadReport) -> None:
        self._tokenizer, self._limits, self._report = tokenizer, limits, report
        self._id = np.dtype(np.uint16 if tokenizer.vocabulary_size <= 2**16 else np.uint32)
        self._labels: dict[str, int] = {}
        self.schema = schema_of(self._id)

    def encode(self, records: Sequence[Record]) -> tuple[Any, dict[bytes, bytes]]:
        """Tokenise a chunk; return its batch, and the labels that are new in it."""
        known = len(self._labels)
        rows = zip(records, self._tokenizer.encode_batch([record.text for record in records]), strict=True)
        kept = [row for row in (self._limit(record, ids) for record, ids in rows) if row[1]]
        texts = [record.text for record, _ in kept]
        encoded = [text.encode() for text in texts]
        columns = [
            self._tokens([ids for _, ids in kept]),
            _strings(encoded),
            numbers([len(text.split()) for text in texts], np.dtype(np.int32)),
            numbers([self._number(record.label) for record, _ in kept], np.dtype(np.int32)),
            numbers([text_key(text) for text in encoded], np.dtype(np.uint64)),
        ]
        new = json.dumps(list(self._labels)[known:]).encode()
        return pa.record_batch(columns, schema=self.schema), {LABELS_KEY: new}

    def _limit(self, record: Record, ids: list[int]) -> tuple[Record, list[int]]:
        """Keep, cut or leave out a sequence; one left out has no ids."""
        if not ids:
            self._report.withdraw("empty", record.where)
        elif len(ids) > self._limits.max_tokens:
            record, ids = self._shorten(record, ids)
        self._report.tokens += len(ids)
        self._report.unknown_tokens += ids.count(UNK)
        return record, ids

    def _shorten(self, record: Record, ids: list[int]) -> tuple[Record, list[int]]:
        """Cut a sequence, and its text with it, or leave it out."""
        if not self._limits.cut:
            self._report.withdraw("over_long", record.where)
            return record, []
        self._report.cut += 1
        ids = ids[: self._limits.max_tokens]
        return Record(self._tokenizer.decode(ids), record.label, record.where), ids

    def _tokens(self, rows: list[list[int]]) -> Any:  # noqa: ANN401 - Arrow carries no types
        """Lay rows end to end."""
        flat = np.fromiter(chain.from_iterable(rows), dtype=self._id)
        return pa.ListArray.from_arrays(_offsets(rows), numbers(flat, self._id))

    def _number(self, label: str) -> int:
        return self._labels.setdefault(label, len(self._labels)) if label else -1


def text_key(text: bytes) -> int:
    """Hash a text in UTF-8 to 64 bits, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _offsets(rows: Sequence[Sequence[object]]) -> Any:  # noqa: ANN401 - Arrow carries no types
    """Place of each row's first item, and the end of the last."""
    return numbers(np.cumsum([0, *map(len, rows)]), np.dtype(np.int32))


def _strings(texts: Sequence[bytes]) -> Any:  # noqa: ANN401 - Arrow carries no types
    buffers = [_offsets(texts).buffers()[1], pa.py_buffer(b"".join(texts))]
    return pa.StringArray.from_buffers(len(texts), *buffers)


def _write(records: Iterable[Record], encoder: _Encoder, sink: Any) -> None:  # noqa: ANN401 - Arrow carries no types
    with pa.ipc.new_file(sink, encoder.schema) as writer:
        for chunk in _chunks(records):
            batch, metadata = encoder.encode(chunk)
            if batch.num_rows:
                writer.write_batch(batch, custom_metadata=metadata)


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Group records until there are many, or their texts and labels are long together."""
    chunk: list[Record] = []
    characters = 0
    for record in records:
        chunk.append(record)
        characters += len(record.text) + len(record.label)
        if len(chunk) == CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
