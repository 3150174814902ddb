"""A corpus of token ids, memory-mapped from an Arrow file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.data.batches import Rows
from latentia.data.mapping import Columnar, open_file
from latentia.data.reading import Record, clean_text, read_records
from latentia.data.report import ReadReport
from latentia.data.rows import Columns
from latentia.data.storage import Limits, write_file, write_memory
from latentia.data.tokenizer import Tokenizer
from latentia.errors import DataError, InputError
from latentia.records import Batch
from latentia.shapes import EOS, PAD


class Corpus:
    """Token ids, text, words and label of each sequence; only the pages that are read are in memory.

    Attributes:
        lengths: Predicted tokens of each sequence, EOS counted.
        words: Words between white space of each sequence, EOS not counted.
        labels: Index of each sequence's label in ``label_names``; empty when there are none.
        label_names: The labels in alphabetic order.

    Args:
        columns: An opened file; use ``open``, ``from_texts`` or ``build_corpus``.
    """

    def __init__(self, columns: Columnar) -> None:
        """Take the views of an opened file."""
        self._columns = columns
        self.lengths: NDArray[np.int32] = columns.sizes + np.int32(1)
        self.words = columns.words
        self.label_names: list[str] = sorted(columns.label_names)
        self.labels: NDArray[np.int64] = _ranks(columns.label_names)[columns.labels[: self._labelled]]

    @property
    def _labelled(self) -> int:
        """Rows with a label: all or none."""
        return len(self.lengths) if self.label_names else 0

    def __len__(self) -> int:
        """Count the sequences."""
        return len(self.lengths)

    @property
    def largest_token(self) -> int:
        """The largest id of a token."""
        return self._columns.largest

    def tokens(self, row: SupportsIndex) -> list[int]:
        """Ids of a sequence, without EOS."""
        start = self._columns.starts[row]
        ids: list[int] = self._columns.ids[start : start + self._columns.sizes[row]].tolist()
        return ids

    def text(self, row: SupportsIndex) -> str:
        """Text of a sequence."""
        return self.texts(np.array([range(len(self))[row]]))[0]

    def texts(self, rows: Rows) -> list[str]:
        """Texts of some sequences."""
        return self._columns.texts_of(rows)

    def count(self, token: int, rows: Rows) -> NDArray[np.int64]:
        """How often a token stands in each of some sequences."""
        return self._columns.count(token, rows)

    def batch(self, rows: Rows) -> Batch:
        """Gather rows into a batch, each closed by EOS and padded to the longest."""
        lengths = self.lengths[rows].astype(np.int64)
        return Batch(
            tokens=torch.from_numpy(self._closed(rows, lengths)),
            lengths=torch.from_numpy(lengths),
            equal_length=bool((lengths == lengths[0]).all()),
            token_count=int(lengths.sum()),
            index=torch.from_numpy(np.array(rows, dtype=np.int64)),
            labels=torch.from_numpy(self.labels[rows] if self.label_names else np.empty(0, dtype=np.int64)),
        )

    def _closed(self, rows: Rows, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Gather tokens ``[B, T]`` in one indexing of the file, whatever chunks the rows are in."""
        column = np.arange(lengths.max())
        inside = column < lengths[:, None] - 1
        # A place past the end of a row reads the row's first token instead, and is then overwritten.
        places = self._columns.starts[rows][:, None] + np.where(inside, column, 0)
        tokens = np.where(inside, self._columns.ids[places], PAD).astype(np.int64)
        tokens[np.arange(len(rows)), lengths - 1] = EOS
        return tokens

    def split(self, share: float) -> tuple[Rows, Rows]:
        """Split into rows to train on and rows held out, by a hash of the text.

        The side of a text depends on the text alone, so order and additions do not matter and copies stay
        together. Neither side is empty: the text of the lowest hash is held out, that of the highest is not.

        Args:
            share: Expected share of different texts that is held out.

        Raises:
            InputError: If the share is not between 0 and 1.
            DataError: If all texts are the same.
        """
        if not 0.0 < share < 1.0:
            raise InputError(f"a held-out share of {share} leaves one side empty", "use a share between 0 and 1")
        keys = self._columns.keys
        if len(np.unique(keys)) < 2:
            raise DataError("all sequences are the same text", "give at least two different ones, or a --valid file")
        held_out = (keys / 2.0**64 < share) & (keys != keys.max()) | (keys == keys.min())
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)

    @classmethod
    def open(cls, path: Path) -> Corpus:
        """Map a corpus file into memory.

        Raises:
            DataError: If the file is missing, no regular file, damaged, or no corpus.
        """
        return cls(open_file(path))

    @classmethod
    def from_texts(cls, texts: Sequence[str], tokenizer: Tokenizer) -> Corpus:
        """Hold a few texts in memory, one row for each, in their order.

        Raises:
            InputError: If there is no text, or one is empty, holds NUL, or is not valid Unicode.
        """
        if not texts:
            raise InputError("there is no text", "give at least one")
        return cls.from_records(
            [Record(_usable(text, number), "", str(number)) for number, text in enumerate(texts, start=1)], tokenizer
        )

    @classmethod
    def from_records(cls, records: Iterable[Record], tokenizer: Tokenizer) -> Corpus:
        """Hold a few records, whose texts are clean, in memory."""
        return cls(write_memory(records, tokenizer))


def build_corpus(
    sources: Sequence[str],
    columns: Columns,
    tokenizer: Tokenizer,
    path: Path,
    max_tokens: int,
    minimum: int = 1,
    *,
    cut: bool = False,
) -> tuple[Corpus, ReadReport]:
    """Read, tokenise and write a corpus in chunks, and map it.

    Sequences of more than ``max_tokens`` tokens (end of sequence not counted) are left out, or cut; both are counted.

    Raises:
        DataError: If fewer than ``minimum`` sequences are usable: 2 to train, 1 to evaluate.
    """
    report = ReadReport()
    records = read_records(sources, columns, report)
    write_file(records, tokenizer, path, Limits(max_tokens, cut), report, minimum)
    return Corpus.open(path), report


def _ranks(names: Sequence[str]) -> NDArray[np.int64]:
    """Place of each name in alphabetic order."""
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return ranks


def _usable(text: str, number: int) -> str:
    """Clean a text that must not be left out."""
    cleaned, fault = clean_text(text)
    if fault:
        reason = {"nul": "holds NUL", "invalid_utf8": "is not valid Unicode", "over_long": "is too long"}
        raise InputError(f"text {number} {reason.get(fault, 'is empty')}", "give a text of at least one word")
    return cleaned
