"""Readers of columns: Parquet files and Hugging Face datasets, both streamed in small groups of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from latentia.data.rows import Columns, Row, require_columns
from latentia.data.sources import HUB_PREFIX, Source, readable, seekable
from latentia.errors import DataError

_ROWS = 4096


def read_parquet(source: Source, columns: Columns, max_bytes: int) -> Iterator[Row]:
    """Take the columns of a Parquet file, a few thousand rows at a time; rows count from 1."""
    with seekable(source) as stream, _parquet(source.name):
        table = pq.ParquetFile(stream, pre_buffer=False)
        require_columns(source.name, columns, table.schema_arrow.names)
        _require_text_type(source.name, columns.text, table.schema_arrow.field(columns.text).type)
        names = [columns.text, columns.label] if columns.label else [columns.text]
        line = 0
        for batch in table.iter_batches(batch_size=_ROWS, columns=names):
            for row in _batch_rows(batch, columns, line):
                yield row
            line += batch.num_rows


def _parquet(name: str) -> readable:
    """Name the file in what Arrow raises."""
    return readable(name)


def _batch_rows(batch: pa.RecordBatch, columns: Columns, start: int) -> Iterator[Row]:
    """Take the rows of one batch; texts as bytes, since Parquet does not promise that they are UTF-8."""
    texts = batch.column(columns.text).cast(pa.large_string()).cast(pa.large_binary()).to_pylist()
    labels = batch.column(columns.label).to_pylist() if columns.label else [""] * len(texts)
    for offset, (text, label) in enumerate(zip(texts, labels, strict=True), start=1):
        yield Row(start + offset, text, label)


def _require_text_type(name: str, column: str, kind: pa.DataType) -> None:
    """Refuse a column that holds something other than strings."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)):
        raise DataError(f"column {column!r} of {name} holds {kind}, not text", "name the column of text with --text COLUMN")
