"""Answers into files: a table by its suffix, written as they come and there only when it is whole."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentia.durable import stored
from latentia.errors import InputError, StorageError
from latentia.operations.aside import Aside
from latentia.operations.lines import Refused

ANSWERS_AT_A_TIME = 8192

REPLACE = "replace it (--overwrite, in Python overwrite=True)"

Column = list[Any] | NDArray[Any]
Table = Mapping[str, Column]
"""Columns by name: arrays ``[rows, ...]`` where the answers hold arrays, lists otherwise."""


@dataclass(frozen=True)
class Written:
    """What became of a stream of answers.

    Attributes:
        path: The file.
        rows: Answers in it.
        refused: Texts without an answer, which are not in it.
        asides: What describes the others, likewise.
    """

    path: Path
    rows: int
    refused: tuple[Refused, ...]
    asides: tuple[Aside, ...]


def write(answers: Iterable[object], path: str | Path, *, overwrite: bool = False) -> Written:
    """Write answers to a file, a row each, a few thousand at a time.

    The suffix tells the format: ``.parquet``, ``.jsonl``, ``.csv``, ``.tsv``, or ``.npy`` for the vectors alone. A
    vector is a list of float32 of fixed size in Parquet, and columns ``name_0, name_1, ...`` in tables of text. A tab
    or line break in a cell of a ``.tsv`` becomes a space. The file appears under its name when all answers are in it.

    Args:
        answers: What an operation yields; all of one kind, but for refusals and asides.
        path: The file.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        InputError: If the suffix is unknown, the file is there already, its folder is not, or there is no answer.
        StorageError: If the disk does not take the file; then none is left.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(["so it goes"], f"{folder}/texts.jsonl").rows
    1
    """
    path = Path(path)
    require_writable(path, overwrite)
    refused: list[Refused] = []
    asides: list[Aside] = []
    usable = set_aside(set_aside(answers, refused), asides, Aside)
    first = list(islice(usable, ANSWERS_AT_A_TIME))
    if not first:
        raise refused[0].as_error() if refused else InputError("there is no answer to write", "give some text")
    chunks = chain([first], iter(lambda: list(islice(usable, ANSWERS_AT_A_TIME)), []))
    with stored(path), _replaced(path, overwrite) as stream:
        rows = _SINKS[path.suffix](stream).write(_table(chunk) for chunk in chunks)
    return Written(path, rows, tuple(refused), tuple(asides))


def suffixes_for(kinds: Iterable[type]) -> tuple[str, ...]:
    """Return the suffixes of files that can hold answers of one of these kinds: an array file holds one vector each."""
    one_vector = any(_arrays(kind) == 1 for kind in kinds)
    return tuple(suffix for suffix in _SINKS if one_vector or suffix != ".npy")


def _arrays(kind: type) -> int:
    hints = get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
    return sum(get_origin(hint) is np.ndarray for hint in hints.values())


def require_writable(path: Path, overwrite: bool, suffixes: Sequence[str] = ()) -> None:
    """Refuse a file that cannot be written, before anything is worked out.

    Args:
        path: The file.
        overwrite: Whether a file that is there may be replaced.
        suffixes: What its name may end in, if not all that can be written.

    Raises:
        InputError: If the suffix is not among them, the file is there already, or its folder is not.
        StorageError: If nothing may be written in its folder.
    """
    suffixes = suffixes or SUFFIXES
    if path.suffix not in suffixes:
        known = path.suffix in SUFFIXES
        problem = f"{path} can hold no such answers" if known else f"{path} has no known suffix"
        raise InputError(problem, f"end it in one of {', '.join(suffixes)}")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent} is no folder", "make it, or name another")
    if path.is_dir():
        raise InputError(f"{path} is a folder", "name a file")
    if path.exists() and not (overwrite and path.is_file()):
        raise _is_there(path)
    if not os.access(path.parent, os.W_OK):
        raise StorageError(f"nothing may be written in {path.parent}", "name a file in another folder")


def _is_there(path: Path) -> InputError:
    return InputError(f"{path} is there already", f"name another file, or {REPLACE}")


def set_aside(answers: Iterable[Any], others: list[Any], kind: type = Refused) -> Iterator[Any]:
    """Yield the answers, and put those of a kind, refusals unless another is named, into a list."""
    for answer in answers:
        if isinstance(answer, kind):
            others.append(answer)
        else:
            yield answer


@contextmanager
def _replaced(path: Path, overwrite: bool) -> Iterator[BinaryIO]:
    """Write beside a file, and put what was written in its place if nothing went wrong.

    Raises:
        InputError: If somebody else has put a file there meanwhile, which may not be replaced.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("w+b") as stream:
            yield stream
        if not overwrite:
            _claim(path)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _claim(path: Path) -> None:
    """Make an empty file where there is none, which only one of several can do."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        raise _is_there(path) from None


def _table(answers: Sequence[Any]) -> Table:
    """Turn answers of one kind into columns."""
    if strange := [each for each in answers if type(each) is not type(answers[0])]:
        kinds = f"{type(answers[0]).__name__} and {type(strange[0]).__name__}"
        raise InputError(f"answers are of two kinds, {kinds}", "write those of each kind to a file of their own")
    if not dataclasses.is_dataclass(answers[0]):
        return {"text": list(answers)}
    names = [each.name for each in dataclasses.fields(answers[0])]
    return {name: _column([getattr(answer, name) for answer in answers]) for name in names}


def _column(values: list[Any]) -> Column:
    """Stack vectors, as float32 if they hold fractions."""
    if not isinstance(values[0], np.ndarray):
        return values
    stacked = np.stack(values)
    return stacked.astype(np.float32) if stacked.dtype.kind == "f" else stacked


class _Sink(ABC):
    """Writes tables with the same columns one below the other."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.rows = stream, 0

    def write(self, tables: Iterable[Table]) -> int:
        """Write all tables, and return the number of rows."""
        try:
            for table in tables:
                self.add(table)
                self.rows += len(next(iter(table.values())))
        finally:
            if self.rows:
                self.close()
        return self.rows

    @abstractmethod
    def add(self, table: Table) -> None:
        """Write a table; ``rows`` are above it."""

    def close(self) -> None:  # noqa: B027 - most formats need no end
        """Write what ends a file."""


class _Parquet(_Sink):
    def add(self, table: Table) -> None:
        columns = pa.table({name: _arrow(column) for name, column in table.items()})
        if not self.rows:
            self._writer = pq.ParquetWriter(self.stream, columns.schema, compression="zstd")
        self._writer.write_table(columns)

    def close(self) -> None:
        self._writer.close()


def _arrow(column: Column) -> Any:  # noqa: ANN401 - Arrow carries no types
    """Turn an array ``[rows, n, m]`` into lists of fixed size of such lists."""
    if not isinstance(column, np.ndarray):
        array = pa.array([plain(value) for value in column] if _nested(column) else column)
        # Only numbers may be missing, and chunks of them must be of one type.
        return array.cast(pa.float64()) if pa.types.is_null(array.type) else array
    lists = pa.array(column.ravel())
    for size in reversed(column.shape[1:]):
        lists = pa.FixedSizeListArray.from_arrays(lists, size)
    return lists


class _Lines(_Sink):
    def add(self, table: Table) -> None:
        names = list(table)
        for row in zip(*table.values(), strict=True):
            line = json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=plain)
            self.stream.write(line.encode() + b"\n")


class _Separated(_Sink):
    """Cells of text; a vector has a column for each of its numbers."""

    def __init__(self, stream: BinaryIO, separator: str) -> None:
        super().__init__(stream)
        self._separator = separator

    def add(self, table: Table) -> None:
        columns = dict(chain.from_iterable(_flat(name, column) for name, column in table.items()))
        if not self.rows:
            self._write([list(columns)])
        self._write(zip(*columns.values(), strict=True))

    def _write(self, rows: Iterable[Sequence[object]]) -> None:
        target = _Encoded(self.stream)
        if self._separator == ",":
            csv.writer(target, lineterminator="\n").writerows(rows)
        else:  # A line is a row and quotes are characters, as the reader of such files takes them.
            target.stream.writelines(("\t".join(map(_cell, row)) + "\n").encode() for row in rows)


@dataclass(frozen=True)
class _Encoded:
    """A stream of bytes that takes text."""

    stream: BinaryIO

    def write(self, text: str) -> int:
        return self.stream.write(text.encode())


def _flat(name: str, column: Column) -> Iterator[tuple[str, list[Any]]]:
    """Split a vector into columns, and write what is nested as JSON."""
    if not isinstance(column, np.ndarray):
        yield (
            name,
            [json.dumps(each, ensure_ascii=False, default=plain) for each in column] if _nested(column) else column,
        )
        return
    for place in np.ndindex(*column.shape[1:]):
        yield "_".join([name, *map(str, place)]), column[(slice(None), *place)].tolist()


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("\t", " ").replace("\r", " ").replace("\n", " ")


class _Vectors(_Sink):
    """One array; its header, written anew at the end, has room for any number of rows."""

    def add(self, table: Table) -> None:
        vectors = [column for column in table.values() if isinstance(column, np.ndarray)]
        if len(vectors) != 1:
            raise InputError(f"an answer holds {len(vectors)} vectors, not one", "write a .parquet file")
        self._array = vectors[0]
        if not self.rows:
            self._head()
        self.stream.write(self._array.tobytes())

    def close(self) -> None:
        self.stream.seek(0)
        self._head()

    def _head(self) -> None:
        shape = (self.rows, *self._array.shape[1:])
        description = np.lib.format.dtype_to_descr(self._array.dtype)
        header = {"descr": description, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.stream, header)


def _nested(column: Sequence[Any]) -> bool:
    return not isinstance(next((value for value in column if value is not None), 0.0), str | int | float)


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever an answer holds
    """Turn what an answer holds into what JSON and Arrow know."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


_SINKS: Mapping[str, Any] = {
    ".parquet": _Parquet,
    ".jsonl": _Lines,
    ".csv": partial(_Separated, separator=","),
    ".tsv": partial(_Separated, separator="\t"),
    ".npy": _Vectors,
}
SUFFIXES = tuple(_SINKS)
