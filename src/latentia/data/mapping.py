"""Opening of the Arrow file of a corpus, which anybody may have written, as views of its memory map."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentia.errors import DataError, reason_of

LABELS_KEY = b"latentia.labels"
"""Metadata of a chunk: the labels that it is the first to hold, as JSON."""

_MAGIC = b"ARROW1"
_PREFIX = 8
"""Bytes before the stream of messages that an Arrow file is, its directory left aside."""


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
        largest: The largest token id.
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
    largest: int

    def texts_of(self, rows: NDArray[np.int64]) -> list[str]:
        """Find the texts of rows, chunk by chunk."""
        chunks = np.searchsorted(self.ends, rows, side="right")
        found = np.empty(len(rows), dtype=object)
        for chunk in np.unique(chunks):
            here, texts = chunks == chunk, self.texts[chunk]
            places = rows[here] - (self.ends[chunk] - len(texts))
            found[here] = texts.take(numbers(places, np.dtype(np.int64))).to_pylist()
        return list(found)

    def count(self, token: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count a token in each row."""
        sizes = self.sizes[rows].astype(np.int64)
        ends = np.cumsum(sizes)
        places = np.arange(sizes.sum()) + np.repeat(self.starts[rows] - ends + sizes, sizes)
        before = np.concatenate([[0], np.cumsum(self.ids[places] == token)])
        counts: NDArray[np.int64] = before[ends] - before[ends - sizes]
        return counts


class _Chunk(NamedTuple):
    """Rows that were written together, and the labels that they are the first to hold."""

    rows: Any
    labels: list[str]


def open_file(path: Path) -> Columnar:
    """Map the file of a corpus into memory.

    Raises:
        DataError: If it is missing, no regular file, damaged, or no corpus.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError("not a regular file")
        with pa.memory_map(str(path)) as mapped:
            found = views(mapped.read_buffer())
        _require(len(found.sizes) > 0, "it has no row")
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError, RecursionError, struct.error) as error:
        raise DataError(
            f"{path} is no corpus file ({reason_of(error)})", "remove it, and the data is read again"
        ) from error
    return found


def schema_of(ids: np.dtype[Any]) -> Any:  # noqa: ANN401 - Arrow carries no types
    """Return the types of the columns of a corpus whose token ids are of a type."""
    columns = {
        "tokens": pa.list_(pa.from_numpy_dtype(ids)),
        "text": pa.string(),
        "words": pa.int32(),
        "label": pa.int32(),
        "key": pa.uint64(),
    }
    return pa.schema(list(columns.items()))


# Columns are put together from buffers: `pyarrow.array` would import pandas, if it is there, to look at a list.
def numbers(values: Any, dtype: np.dtype[Any]) -> Any:  # noqa: ANN401 - Arrow carries no types
    """Return an Arrow array of numbers."""
    array = np.asarray(values, dtype=dtype)
    return pa.Array.from_buffers(pa.from_numpy_dtype(dtype), len(array), [None, pa.py_buffer(array)])


def views(buffer: Any) -> Columnar:  # noqa: ANN401 - Arrow carries no types
    """See the columns as arrays; every row of tokens is a place in the one buffer.

    Raises:
        ValueError: If it is no corpus; so are ``ArrowException``, ``LookupError``, ``TypeError``, ``struct.error``.
    """
    dtype, chunks = _read(buffer)
    batches, label_names = [chunk.rows for chunk in chunks], tuple(chain.from_iterable(each.labels for each in chunks))
    tokens = [batch.column("tokens") for batch in batches]
    edges = [np.frombuffer(column.buffers()[1], dtype=np.int32, count=len(column) + 1) for column in tokens]
    places = [_place(column, buffer, dtype) for column in tokens]
    ids = np.frombuffer(buffer, dtype=dtype, count=buffer.size // dtype.itemsize)
    found = Columnar(
        ids=ids,
        starts=_joined([edge[:-1] + place for edge, place in zip(edges, places, strict=True)], np.int64),
        sizes=_joined([np.diff(edge) for edge in edges], np.int32),
        words=_column(batches, "words", np.int32),
        labels=_column(batches, "label", np.int32),
        keys=_column(batches, "key", np.uint64),
        texts=tuple(batch.column("text") for batch in batches),
        ends=np.cumsum([batch.num_rows for batch in batches], dtype=np.int64),
        label_names=label_names,
        largest=max(
            (int(ids[place + edge[0] : place + edge[-1]].max()) for edge, place in zip(edges, places, strict=True)),
            default=0,
        ),
    )
    _require_in_range(found)
    return found


def _read(buffer: Any) -> tuple[np.dtype[Any], list[_Chunk]]:  # noqa: ANN401 - Arrow carries no types
    """Read the chunks, each of which is checked before it is looked into, and the type of the token ids."""
    _require(buffer.slice(0, len(_MAGIC)).equals(pa.py_buffer(_MAGIC)), "not an Arrow file")
    _require(buffer.slice(buffer.size - len(_MAGIC)).equals(pa.py_buffer(_MAGIC)), "cut short")
    stream = buffer.slice(_PREFIX)
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(stream)):
        _require_expanded(message)
    reader = pa.ipc.open_stream(pa.BufferReader(stream))
    for dtype in (np.dtype(np.uint16), np.dtype(np.uint32)):
        if reader.schema.equals(schema_of(dtype)):
            return dtype, list(_chunks(reader))
    raise ValueError("other columns than those of a corpus")


def _chunks(reader: Any) -> Iterator[_Chunk]:  # noqa: ANN401 - Arrow carries no types
    while True:
        try:
            rows, metadata = reader.read_next_batch_with_custom_metadata()
        except StopIteration:
            return
        rows.validate(full=True)
        tokens = rows.column("tokens").values
        _require(rows.num_rows > 0 and len(tokens) > 0, "a chunk of nothing")
        _require(not any(column.null_count for column in (*rows.columns, tokens)), "values are missing")
        yield _Chunk(rows, _labels(json.loads(metadata[LABELS_KEY])))


def _labels(found: Any) -> list[str]:  # noqa: ANN401 - JSON carries no types
    _require(isinstance(found, list) and all(isinstance(label, str) for label in found), "labels that are no texts")
    for label in found:
        label.encode()
    return list(found)


def _require_expanded(message: Any) -> None:  # noqa: ANN401 - Arrow carries no types
    """Refuse compressed columns before anything is expanded: none are written, and Arrow sets no bound."""
    _require(message.type in ("schema", "record batch"), f"it holds a {message.type}")
    if message.type == "record batch":
        raw = bytes(message.metadata)
        header = _field(raw, _followed(raw, 0), 2)
        _require(not _field(raw, _followed(raw, header), 3), "compressed columns")


def _followed(raw: bytes, place: int) -> int:
    """Return where a reference of a FlatBuffer leads."""
    return place + int(struct.unpack_from("<I", raw, place)[0])


def _field(raw: bytes, table: int, number: int) -> int:
    """Return where a field of a table of a FlatBuffer is; 0 where it has none."""
    directory = table - int(struct.unpack_from("<i", raw, table)[0])
    entry = 4 + 2 * number
    if entry >= struct.unpack_from("<H", raw, directory)[0]:
        return 0
    offset = int(struct.unpack_from("<H", raw, directory + entry)[0])
    return offset and table + offset


def _require_in_range(found: Columnar) -> None:
    """Refuse numbers that count what is not there."""
    names = len(found.label_names)
    lowest = 0 if names else -1
    _require(bool((found.sizes > 0).all()), "a row without tokens")
    _require(bool((found.words >= 0).all()), "a row of less than no word")
    _require(bool(((found.labels >= lowest) & (found.labels < names)).all()), "a label without a name")
    _require(len(set(found.label_names)) == names, "a label that is there twice")


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise ValueError(problem)


def _place(tokens: Any, buffer: Any, dtype: np.dtype[Any]) -> np.int64:  # noqa: ANN401 - Arrow carries no types
    """Place of a chunk's first token, counted in ids from the beginning of the buffer."""
    start = tokens.values.buffers()[1].address - buffer.address
    end = start + len(tokens.values) * dtype.itemsize
    _require(start % dtype.itemsize == 0 and 0 <= start <= end <= buffer.size, "tokens that are not in the file")
    return np.int64(start // dtype.itemsize)


def _column(batches: list[Any], name: str, dtype: type[np.generic]) -> NDArray[Any]:
    """Put a column of numbers end to end; Arrow's own ``to_numpy`` would import pandas."""
    return _joined([np.frombuffer(batch.column(name).buffers()[1], dtype, len(batch)) for batch in batches], dtype)


def _joined(parts: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype=dtype)
