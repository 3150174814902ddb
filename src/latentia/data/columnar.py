"""Readers of columns: Parquet files and Hugging Face datasets, both streamed in small groups of rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from latentia.data.rows import Columns, Row, require_columns
from latentia.data.sources import EXPANSION_FREE, EXPANSION_RATIO, HUB_PREFIX, Source, bomb, seekable
from latentia.errors import DataError

_ROWS = 4096
_SPLITS = ("train", "validation", "valid", "dev", "test")


def read_parquet(source: Source, columns: Columns, max_bytes: int) -> Iterator[Row]:
    """Take the columns of a Parquet file, a few thousand rows at a time; rows count from 1."""
    with seekable(source) as stream, _parquet(source.name):
        table = pq.ParquetFile(stream, pre_buffer=False)
        require_columns(source.name, columns, table.schema_arrow.names)
        _require_text_type(source.name, columns.text, table.schema_arrow.field(columns.text).type)
        names = [columns.text, columns.label] if columns.label else [columns.text]
        _require_bounded(source.name, table.metadata, names)
        line = 0
        for batch in table.iter_batches(batch_size=_ROWS, columns=names):
            yield from _batch_rows(batch, columns, line)
            line += batch.num_rows


@contextmanager
def _parquet(name: str) -> Iterator[None]:
    """Name the file in what Arrow raises."""
    try:
        yield
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{name} is not a readable Parquet file ({reason})", "write the file again") from error


def _require_bounded(name: str, metadata: pq.FileMetaData, columns: Sequence[str]) -> None:
    """Refuse columns that say of themselves that they expand past what text does, before a page is read."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    chunks = (group.column(place) for group in groups for place in range(group.num_columns))
    wanted = (chunk for chunk in chunks if chunk.path_in_schema in columns)
    if any(
        chunk.total_uncompressed_size > max(EXPANSION_FREE, EXPANSION_RATIO * chunk.total_compressed_size)
        for chunk in wanted
    ):
        raise bomb(name)


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
        raise DataError(
            f"column {column!r} of {name} holds {kind}, not text", "name the column of text with --text COLUMN"
        )


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
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"the dataset {shown} cannot be read ({reason})", "check its name, configuration and split, or give a file"
        ) from error


def _class_names(features: Mapping[str, Any], label: str) -> Sequence[str]:
    """Return the names behind the integers of a class column; none for any other column."""
    names: Sequence[str] = getattr(features.get(label), "names", ())
    return names
