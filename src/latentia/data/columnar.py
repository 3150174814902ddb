"""Readers of columns: Parquet files and Hugging Face datasets, both streamed in small groups of rows."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count, product, repeat
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from latentia.data.rows import Columns, Row, require_columns
from latentia.data.sources import EXPANSION_RATIO, HUB_PREFIX, Source, bomb, seekable
from latentia.errors import DataError, reason_of

_ROWS = 4096
_FREE = 8 * 2**20
"""Bytes that a column may expand to; past them the ratio counts. One that says the same in each row is short."""

_LISTED = 2**24
"""Bytes of the values of a dictionary that are decoded together; more are decoded as they are met."""

_NUMBERS = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating)
_SPLITS = ("train", "validation", "valid", "dev", "test")


def read_parquet(source: Source, columns: Columns, max_bytes: int) -> Iterator[Row]:
    """Take the columns of a Parquet file, so many rows at a time as are a few megabytes; rows count from 1."""
    with seekable(source) as stream, _parquet(source.name):
        table = pq.ParquetFile(stream, pre_buffer=False)
        require_columns(source.name, columns, table.schema_arrow.names)
        _require_types(source.name, columns, table.schema_arrow)
        names = [columns.text, columns.label] if columns.label else [columns.text]
        _require_described(stream.seek(0, io.SEEK_END), table.metadata, names)
        _require_bounded(source.name, _chunks(table.metadata, names))
        expanded = [name for name in names if _is_text(table.schema_arrow.field(name).type)]
        batches = table.iter_batches(batch_size=_batch_size(_chunks(table.metadata, expanded)), columns=names)
        yield from _within(_rows(batches, columns), source.name, Path(source.name).stat().st_size)


@contextmanager
def _parquet(name: str) -> Iterator[None]:
    """Name the file in what Arrow raises; its own errors of reading have no number, those of the system have one."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(
            f"{name} is not a readable Parquet file ({reason_of(error)})", "write the file again"
        ) from error


class _ReachedError(Exception):
    """Bytes of a column were asked for."""


class _Closed(io.RawIOBase):
    """A file of a size of which nothing is read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size, self._place = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + (0, self._place, self._size)[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        raise _ReachedError


def _require_described(size: int, metadata: pq.FileMetaData, columns: Sequence[str]) -> None:
    """Let Arrow's reader look at what the file says of its columns, and read none.

    Where that is damaged a reader raises, and ``RowGroupMetaData.column`` ends the process.
    """
    reader = pq.ParquetFile(_Closed(size), metadata=metadata, pre_buffer=False)
    for group, column in product(range(metadata.num_row_groups), columns):
        with suppress(_ReachedError):
            next(reader.iter_batches(1, row_groups=[group], columns=[column], use_threads=False), None)


def _chunks(metadata: pq.FileMetaData, columns: Sequence[str]) -> list[pq.ColumnChunkMetaData]:
    """Return what the file says of the columns in each of its groups of rows."""
    places = [place for place in range(metadata.num_columns) if metadata.schema.column(place).path in columns]
    groups = range(metadata.num_row_groups)
    return [metadata.row_group(group).column(place) for group, place in product(groups, places)]


def _require_bounded(name: str, chunks: Sequence[pq.ColumnChunkMetaData]) -> None:
    """Refuse columns that say of themselves that they expand past what text does, before a page is read."""
    if any(chunk.total_uncompressed_size > _allowed(chunk) for chunk in chunks):
        raise bomb(name)


def _batch_size(chunks: Sequence[pq.ColumnChunkMetaData]) -> int:
    """Return how many rows are read at a time.

    A value that stands once in the file may be that of all rows, so that a batch is as long as its rows times the
    longest value, which is no longer than everything together.
    """
    fitting = [_allowed(chunk) // max(int(chunk.total_uncompressed_size), 1) for chunk in chunks]
    return max(1, min([_ROWS, *fitting]))


def _allowed(chunk: pq.ColumnChunkMetaData) -> int:
    """Return the bytes to which a part of a column may expand."""
    return max(_FREE, EXPANSION_RATIO * int(chunk.total_compressed_size))


def _rows(batches: Iterable[pa.RecordBatch], columns: Columns) -> Iterator[Row]:
    """Take the rows of batches, one after another."""
    start = 1
    for batch in batches:
        labels = _cells(batch.column(columns.label)) if columns.label else repeat("")
        for line, text, label in zip(count(start), _cells(batch.column(columns.text)), labels, strict=False):
            yield Row(line, text, label)
        start += batch.num_rows


def _cells(column: pa.Array) -> Iterator[object]:
    """Yield the values of a column; texts as bytes, since Parquet does not promise that they are UTF-8."""
    kind = column.type
    if not pa.types.is_dictionary(kind):
        return iter(_in_bytes(column).to_pylist())
    values = _in_bytes(column.dictionary)
    if len(values) <= len(column) and values.nbytes <= _LISTED:
        values = values.to_pylist()
        return (None if place is None else values[place] for place in column.indices.to_pylist())
    return (None if place is None else values[place].as_py() for place in column.indices.to_pylist())


def _in_bytes(values: pa.Array) -> pa.Array:
    return values.cast(pa.large_string()).cast(pa.large_binary()) if _is_text(values.type) else values


def _within(rows: Iterable[Row], name: str, size: int) -> Iterator[Row]:
    """Refuse a file whose rows, written out, are longer than a file of its size may expand to."""
    expanded, most = 0, max(_FREE, EXPANSION_RATIO * size)
    for row in rows:
        expanded += 1 + sum(len(cell) for cell in (row.text, row.label) if isinstance(cell, bytes))
        if expanded > most:
            raise bomb(name)
        yield row


def _require_types(name: str, columns: Columns, schema: pa.Schema) -> None:
    """Refuse a text that is not of strings, and a label of anything but strings, truth values and numbers."""
    kind = schema.field(columns.text).type
    if not _is_text(_value_type(kind)):
        raise DataError(
            f"column {columns.text!r} of {name} holds {kind}, not text", "name the column of text with --text COLUMN"
        )
    label = schema.field(columns.label).type if columns.label else kind
    value = _value_type(label)
    if not (_is_text(value) or any(holds(value) for holds in _NUMBERS)):
        raise DataError(
            f"column {columns.label!r} of {name} holds {str(label)[:40]}, not a class",
            "name a column of text, truth values or numbers with --label COLUMN",
        )


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


class HubName(NamedTuple):
    """A dataset of the Hugging Face Hub (or a folder of one), its configuration and its split."""

    path: str
    configuration: str
    split: str


def parse_hub_name(name: str) -> HubName:
    """Read ``hf:NAME[:CONFIG][:SPLIT]``; a single part after the name is a split if it is called like one.

    >>> parse_hub_name("hf:owner/name:test")
    HubName(path='owner/name', configuration='', split='test')
    >>> parse_hub_name("hf:owner/name:english")
    HubName(path='owner/name', configuration='english', split='train')
    >>> parse_hub_name("hf:owner/name::extra")
    HubName(path='owner/name', configuration='', split='extra')
    """
    path, *rest = name.removeprefix(HUB_PREFIX).split(":")
    if not path or len(rest) > 2:
        raise DataError(f"{name!r} does not name a dataset", "write hf:NAME, hf:NAME:SPLIT or hf:NAME:CONFIG:SPLIT")
    if len(rest) == 1 and rest[0] in _SPLITS:
        rest.insert(0, "")
    configuration, split = [*rest, "", ""][:2]
    return HubName(path, configuration, split or "train")


def read_hub(source: Source, columns: Columns, max_bytes: int) -> Iterator[Row]:
    """Take the columns of a dataset of the Hugging Face Hub, streamed; rows count from 1."""
    name = parse_hub_name(source.name)
    stream = _load_stream(source.name, name)
    names = _class_names(getattr(stream, "features", None) or {}, columns.label)
    with _hub(source.name):
        for line, row in enumerate(stream, start=1):
            if line == 1:
                require_columns(source.name, columns, list(row))
            label = row.get(columns.label)
            named = names[label] if isinstance(label, int) and 0 <= label < len(names) else label
            yield Row(line, row.get(columns.text), named)


def _load_stream(shown: str, name: HubName) -> Any:  # noqa: ANN401 - the library ships no types
    """Open a dataset for streaming with the ``datasets`` library, which only this function needs."""
    try:
        import datasets
    except ImportError as error:
        raise DataError(f"{shown} needs the datasets library", "install it with: pip install 'latentia[hf]'") from error
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # each retry is a warning; the last one is raised
    with _hub(shown):
        return datasets.load_dataset(name.path, name.configuration or None, split=name.split, streaming=True)


@contextmanager
def _hub(shown: str) -> Iterator[None]:
    """Name the dataset in whatever the library raises: network, format and naming errors have no common class."""
    try:
        yield
    except (DataError, GeneratorExit):
        raise
    except Exception as error:
        raise DataError(
            f"the dataset {shown} cannot be read ({reason_of(error)})",
            "check its name, configuration and split, or give a file",
        ) from error


def _class_names(features: Mapping[str, Any], label: str) -> Sequence[str]:
    """Return the names behind the integers of a class column; none for any other column."""
    names: Sequence[str] = getattr(features.get(label), "names", ())
    return names
