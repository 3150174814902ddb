"""A corpus of token ids, memory-mapped from an Arrow file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from latentia.data.reading import Columns, Record, read_records
from latentia.data.report import ReadReport
from latentia.data.tokenizer import Tokenizer
from latentia.errors import DataError
from latentia.records import Batch
from latentia.shapes import EOS, PAD, UNK

CHUNK = 4096
SCHEMA = pa.schema([("tokens", pa.large_list(pa.int32())), ("text", pa.large_string()), ("words", pa.int32()), ("label", pa.large_string())])
Rows = NDArray[np.int64]


class Corpus:
    """Token ids, text, words and label of each sequence; only the pages that are read are in memory.

    Args:
        table: An Arrow table of :data:`SCHEMA`.
    """

    def __init__(self, table: pa.Table) -> None:
        """Take zero-copy views of the table."""
        chunks = table.column("tokens").chunks
        self._values = [chunk.values.to_numpy() for chunk in chunks]
        sizes = [np.diff(chunk.offsets.to_numpy()) for chunk in chunks]
        self._starts = np.concatenate([chunk.offsets.to_numpy()[:-1] for chunk in chunks])
        self._chunk = np.repeat(np.arange(len(chunks)), [len(size) for size in sizes])
        self.lengths: NDArray[np.int32] = (np.concatenate(sizes) + 1).astype(np.int32)
        self.words: NDArray[np.int32] = table.column("words").to_numpy()
        self._texts = table.column("text")
        names = table.column("label").unique().to_pylist()
        self.label_names: list[str] = sorted(names) if names != [""] else []
        self._labels = table.column("label")

    def __len__(self) -> int:
        """Count the sequences."""
        return len(self.lengths)

    def tokens(self, row: int) -> list[int]:
        """Ids of a sequence, without EOS."""
        start = self._starts[row]
        ids: list[int] = self._values[self._chunk[row]][start : start + self.lengths[row] - 1].tolist()
        return ids

    def text(self, row: int) -> str:
        """Text of a sequence."""
        text: str = self._texts[row].as_py()
        return text

    @property
    def labels(self) -> NDArray[np.int64]:
        """Index of each sequence's label in ``label_names``; empty when there are none."""
        if not self.label_names:
            return np.empty(0, dtype=np.int64)
        return np.searchsorted(self.label_names, self._labels.to_numpy()).astype(np.int64)

    def batch(self, rows: Rows) -> Batch:
        """Gather rows into a batch, each closed by EOS and padded to the longest."""
        lengths = self.lengths[rows].astype(np.int64)
        tokens = np.full((len(rows), lengths.max()), PAD, dtype=np.int64)
        for chunk in np.unique(self._chunk[rows]):
            inside = np.flatnonzero(self._chunk[rows] == chunk)
            self._fill(tokens, inside, rows[inside], self._values[chunk])
        tokens[np.arange(len(rows)), lengths - 1] = EOS
        labels = self.labels[rows] if self.label_names else np.empty(0, dtype=np.int64)
        return Batch(
            tokens=torch.from_numpy(tokens),
            lengths=torch.from_numpy(lengths),
            equal_length=bool((lengths == lengths[0]).all()),
            token_count=int(lengths.sum()),
            index=torch.from_numpy(np.asarray(rows, dtype=np.int64)),
            labels=torch.from_numpy(labels),
        )

    def _fill(self, tokens: NDArray[np.int64], places: Rows, rows: Rows, values: NDArray[np.int32]) -> None:
        """Copy the tokens of some rows, all from one chunk, to their places."""
        counts = self.lengths[rows].astype(np.int64) - 1
        column = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        tokens[np.repeat(places, counts), column] = values[np.repeat(self._starts[rows], counts) + column]

    def split(self, share: float) -> tuple[Rows, Rows]:
        """Split into two sets of rows by a hash of the text, so that order does not matter and copies stay together.

        Raises:
            DataError: If all texts fall on one side, as when there is only one.
        """
        keys = np.fromiter((_hash(text.as_py()) for text in self._texts), dtype=np.uint64, count=len(self))
        threshold = max(np.quantile(np.unique(keys).astype(np.float64), share), float(keys.min()))
        held_out = keys.astype(np.float64) <= threshold
        if held_out.all():
            raise DataError("all sequences are the same text", "give at least two different ones, or a --valid file")
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)

    @classmethod
    def open(cls, path: Path) -> Corpus:
        """Map a corpus file into memory."""
        with pa.memory_map(str(path)) as source:
            return cls(pa.ipc.open_file(source).read_all())

    @classmethod
    def from_texts(cls, texts: Sequence[str], tokenizer: Tokenizer) -> Corpus:
        """Hold a few texts in memory."""
        records = [Record(text, "", str(number)) for number, text in enumerate(texts)]
        return cls(pa.Table.from_batches([_rows(records, tokenizer.encode_batch(texts))], schema=SCHEMA))


def build_corpus(
    sources: Sequence[str], columns: Columns, tokenizer: Tokenizer, path: Path, max_tokens: int, minimum: int = 1
) -> tuple[Corpus, ReadReport]:
    """Read, tokenise and write a corpus in chunks, and map it.

    Sequences of more than ``max_tokens`` tokens (end of sequence not counted) are left out and counted.

    Raises:
        DataError: If fewer than ``minimum`` sequences are usable.
    """
    report = ReadReport()
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        for chunk in _chunks(read_records(sources, columns, report)):
            kept = _within(chunk, tokenizer, max_tokens, report)
            if kept.num_rows:
                writer.write_batch(kept)
    if report.used < minimum:
        path.unlink()
        raise DataError(f"{', '.join(sources)}: {'; '.join(report.sentences())}", f"at least {minimum} are needed")
    return Corpus.open(path), report


def read_texts(sources: Sequence[str], columns: Columns) -> Iterator[str]:
    """Yield the usable texts of all sources."""
    return (record.text for record in read_records(sources, columns, ReadReport()))


def _chunks(records: Iterator[Record]) -> Iterator[list[Record]]:
    while chunk := list(islice(records, CHUNK)):
        yield chunk


def _within(records: list[Record], tokenizer: Tokenizer, max_tokens: int, report: ReadReport) -> pa.RecordBatch:
    """Tokenise a chunk and leave out what is too long."""
    kept: list[tuple[Record, list[int]]] = []
    for record, ids in zip(records, tokenizer.encode_batch([record.text for record in records]), strict=True):
        if len(ids) > max_tokens:
            report.used -= 1
            report.leave_out("over_long", record.where)
            continue
        report.tokens += len(ids)
        report.unknown_tokens += ids.count(UNK)
        kept.append((record, ids))
    return _rows([record for record, _ in kept], [ids for _, ids in kept])


def _rows(records: Sequence[Record], ids: Sequence[list[int]]) -> pa.RecordBatch:
    texts = [record.text for record in records]
    columns = [list(ids), texts, [len(text.split()) for text in texts], [record.label for record in records]]
    return pa.record_batch([pa.array(column, type=kind.type) for column, kind in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
