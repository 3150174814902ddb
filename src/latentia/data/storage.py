"""The Arrow file of a corpus: written in chunks, opened as views of its memory map."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentia.data.reading import Record
from latentia.data.report import ReadReport
from latentia.data.tokenizer import Tokenizer
from latentia.durable import make_folder, stored, sync
from latentia.errors import DataError
from latentia.shapes import UNK

CHUNK_ROWS = 4096
CHUNK_CHARACTERS = 2**24
"""A chunk ends at either, so that its size is bounded whatever the length of the texts."""

LABELS_KEY = b"latentia.labels"
"""Metadata of a chunk: the labels that it is the first to hold, as JSON."""


@dataclass(frozen=True)
class Limits:
    """The longest sequence in tokens, EOS not counted, and whether longer ones are cut to it or left out."""

    max_tokens: int
    cut: bool = False


@dataclass(frozen=True)
class Columnar:
    """The columns of a corpus.

    Attributes:
        ids: The whole file seen as an array of token ids; nothing of it is copied.
        starts: Place in ``ids`` of each row's first token.
        sizes: Tokens of each row, EOS not counted.
        words: Words between white space of each row.
        labels: Index of each row's label in ``label_names``, -1 without labels.
        keys: Hash of each row's text.
        texts: The texts, chunk by chunk.
        ends: Number of rows up to the end of each chunk.
        label_names: The labels in the order of their first row.
    """

    ids: NDArray[np.unsignedinteger[Any]]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int32]
    words: NDArray[np.int32]
    labels: NDArray[np.int32]
    keys: NDArray[np.uint64]
    texts: tuple[Any, ...]
    ends: NDArray[np.int64]
    label_names: tuple[str, ...]

    def texts_of(self, rows: NDArray[np.int64]) -> list[str]:
        """Find the texts of rows, chunk by chunk."""
        chunks = np.searchsorted(self.ends, rows, side="right")
        found = np.empty(len(rows), dtype=object)
        for chunk in np.unique(chunks):
            here, texts = chunks == chunk, self.texts[chunk]
            places = rows[here] - (self.ends[chunk] - len(texts))
            found[here] = texts.take(_numbers(places, np.dtype(np.int64))).to_pylist()
        return list(found)

    def count(self, token: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count a token in each row."""
        sizes = self.sizes[rows].astype(np.int64)
        ends = np.cumsum(sizes)
        places = np.arange(sizes.sum()) + np.repeat(self.starts[rows] - ends + sizes, sizes)
        before = np.concatenate([[0], np.cumsum(self.ids[places] == token)])
        counts: NDArray[np.int64] = before[ends] - before[ends - sizes]
        return counts


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
        unfinished.unlink(missing_ok=True)


def write_memory(records: Iterable[Record], tokenizer: Tokenizer) -> Columnar:
    """Write the same file to memory, for a few texts of any length, and open it."""
    sink = pa.BufferOutputStream()
    _write(records, _Encoder(tokenizer, Limits(max_tokens=2**31 - 1), ReadReport()), sink)
    return _views(sink.getvalue())


def open_file(path: Path) -> Columnar:
    """Map the file of a corpus into memory.

    Raises:
        DataError: If it is missing, damaged, or no corpus.
    """
    try:
        with pa.memory_map(str(path)) as mapped:
            return _views(mapped.read_buffer())
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} is no corpus file ({reason})", "remove it, and the data is read again") from error


class _Encoder:
    """Turns records into Arrow batches, numbering the labels as they come."""

    def __init__(self, tokenizer: Tokenizer, limits: Limits, report: ReadReport) -> None:
        self._tokenizer, self._limits, self._report = tokenizer, limits, report
        self._id = np.dtype(np.uint16 if tokenizer.vocabulary_size <= 2**16 else np.uint32)
        self._labels: dict[str, int] = {}
        columns = {
            "tokens": pa.list_(pa.from_numpy_dtype(self._id)),
            "text": pa.string(),
            "words": pa.int32(),
            "label": pa.int32(),
        }
        self.schema = pa.schema([*columns.items(), ("key", pa.uint64())])

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
            _numbers([len(text.split()) for text in texts], np.dtype(np.int32)),
            _numbers([self._number(record.label) for record, _ in kept], np.dtype(np.int32)),
            _numbers([text_key(text) for text in encoded], np.dtype(np.uint64)),
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
        return pa.ListArray.from_arrays(_offsets(rows), _numbers(flat, self._id))

    def _number(self, label: str) -> int:
        return self._labels.setdefault(label, len(self._labels)) if label else -1


def text_key(text: bytes) -> int:
    """Hash a text in UTF-8 to 64 bits, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


# Columns are put together from buffers: `pyarrow.array` would import pandas, if it is there, to look at a list.
def _numbers(values: Any, dtype: np.dtype[Any]) -> Any:  # noqa: ANN401 - Arrow carries no types
    array = np.asarray(values, dtype=dtype)
    return pa.Array.from_buffers(pa.from_numpy_dtype(dtype), len(array), [None, pa.py_buffer(array)])


def _offsets(rows: Sequence[Sequence[object]]) -> Any:  # noqa: ANN401 - Arrow carries no types
    """Place of each row's first item, and the end of the last."""
    return _numbers(np.cumsum([0, *map(len, rows)]), np.dtype(np.int32))


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


def _views(buffer: Any) -> Columnar:  # noqa: ANN401 - Arrow carries no types
    """See the columns as arrays; every row of tokens is a place in the one buffer."""
    reader = pa.ipc.open_file(pa.BufferReader(buffer))
    read = [reader.get_batch_with_custom_metadata(index) for index in range(reader.num_record_batches)]
    batches = [batch.batch for batch in read]
    width = reader.schema.field("tokens").type.value_type.bit_width // 8
    dtype = np.dtype(f"u{width}")
    tokens = [batch.column("tokens") for batch in batches]
    edges = [np.frombuffer(column.buffers()[1], dtype=np.int32, count=len(column) + 1) for column in tokens]
    return Columnar(
        ids=np.frombuffer(buffer, dtype=dtype, count=buffer.size // dtype.itemsize),
        starts=_joined(
            [edge[:-1] + _place(column, buffer, dtype) for edge, column in zip(edges, tokens, strict=True)], np.int64
        ),
        sizes=_joined([np.diff(edge) for edge in edges], np.int32),
        words=_column(batches, "words", np.int32),
        labels=_column(batches, "label", np.int32),
        keys=_column(batches, "key", np.uint64),
        texts=tuple(batch.column("text") for batch in batches),
        ends=np.cumsum([batch.num_rows for batch in batches], dtype=np.int64),
        label_names=tuple(chain.from_iterable(json.loads(batch.custom_metadata[LABELS_KEY]) for batch in read)),
    )


def _place(tokens: Any, buffer: Any, dtype: np.dtype[Any]) -> np.int64:  # noqa: ANN401 - Arrow carries no types
    """Place of a chunk's first token, counted in ids from the beginning of the buffer."""
    return np.int64((tokens.values.buffers()[1].address - buffer.address) // dtype.itemsize)


def _column(batches: list[Any], name: str, dtype: type[np.generic]) -> NDArray[Any]:
    """Put a column of numbers end to end; Arrow's own ``to_numpy`` would import pandas."""
    return _joined([np.frombuffer(batch.column(name).buffers()[1], dtype, len(batch)) for batch in batches], dtype)


def _joined(parts: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype=dtype)
