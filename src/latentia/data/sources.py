"""Where text comes from: which format a name means, and how its bytes are opened safely."""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from latentia.errors import DataError

FORMATS = {".txt": "txt", ".jsonl": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
HUB_PREFIX = "hf:"

EXPANSION_FREE = 2 * 2**20
"""Bytes that anything may expand to; past them the ratio counts. As many empty lines take seconds to count."""

EXPANSION_RATIO = 200
"""Expanded bytes for a compressed one past which a file is refused; prose has 2 to 5."""

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]*){0,2}")
_PIECE = 2**20


class Source(NamedTuple):
    """A name that the user gave, with the format that it means."""

    name: str
    format: str
    compressed: bool


def identify(name: str) -> Source:
    """Tell the format of a source from its name.

    ``hf:NAME[:CONFIG][:SPLIT]`` is a Hugging Face dataset; so is ``owner/name`` when no file of
    that name exists and it has no suffix of a data file.

    Raises:
        DataError: The file is missing, not a regular file, empty, or of an unknown format.
    """
    if name.startswith(HUB_PREFIX):
        return Source(name, "hub", compressed=False)
    path = Path(name)
    kind, compressed = _format(path)
    if not path.exists() and not kind and _HUB_NAME.fullmatch(name):
        return Source(HUB_PREFIX + name, "hub", compressed=False)
    _check_file(path, kind)
    return Source(name, kind, compressed)


def _format(path: Path) -> tuple[str, bool]:
    """Read the suffixes: the format (empty when unknown) and whether it is compressed."""
    compressed = path.suffix.lower() == ".gz"
    stem = path.with_suffix("") if compressed else path
    return FORMATS.get(stem.suffix.lower(), ""), compressed


def _check_file(path: Path, kind: str) -> None:
    """Refuse what cannot be read before anything is opened: a pipe would hang."""
    known = ", ".join(FORMATS)
    if not path.exists():
        raise DataError(f"{path} does not exist", f"name a file ({known}, each also .gz) or a dataset as hf:NAME")
    if path.is_dir():
        raise DataError(f"{path} is a folder", "name the files in it")
    if not path.is_file():
        raise DataError(f"{path} is not a regular file", "save the data to a file first; it is read more than once")
    if not kind:
        raise DataError(f"{path} has no known format", f"use a file named {known}, each also .gz")
    if path.stat().st_size == 0:
        raise empty_file(str(path))


def empty_file(name: str) -> DataError:
    """Make the error of a file without a byte or a row."""
    return DataError(f"{name} is empty", "give a file with one sequence a line (or a row)")


def bomb(name: str) -> DataError:
    """Make the error of a file that fills the memory or the disk when it is expanded."""
    problem = f"{name} expands to more than {EXPANSION_RATIO} times its size"
    return DataError(problem, "expand it yourself if it is what you mean to read")


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn what the operating system and gzip raise into a ``DataError`` that names the file."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{name} is a damaged gzip file ({error})", "copy or compress the file again") from error
    except OSError as error:
        raise DataError(
            f"{name} cannot be read ({error.strerror or error})", "check the path and its permissions"
        ) from error


@contextmanager
def opened(source: Source) -> Iterator[io.BufferedReader]:
    """Open the bytes of a file, expanded on the fly when it is compressed."""
    with readable(source.name), Path(source.name).open("rb") as raw:
        if not source.compressed:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as expanded:
            yield io.BufferedReader(_Guarded(expanded, raw, source.name), _PIECE)


@contextmanager
def seekable(source: Source) -> Iterator[IO[bytes]]:
    """Open a file for random access; a compressed one is first expanded to a temporary file."""
    with opened(source) as stream:
        if not source.compressed:
            yield stream
            return
        with tempfile.TemporaryFile() as expanded:
            shutil.copyfileobj(stream, expanded, _PIECE)
            expanded.seek(0)
            yield expanded


class _Guarded(io.RawIOBase):
    """The expanded bytes of a gzip file, refused when they outgrow their compressed form."""

    def __init__(self, expanded: gzip.GzipFile, raw: io.BufferedReader, name: str) -> None:
        super().__init__()
        self._expanded, self._raw, self._name, self._count = expanded, raw, name, 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: object) -> int:
        view = memoryview(target)  # type: ignore[arg-type]
        data = self._expanded.read(len(view))
        view[: len(data)] = data
        self._count += len(data)
        if self._count > EXPANSION_FREE and self._count > EXPANSION_RATIO * self._raw.tell():
            raise bomb(self._name)
        return len(data)
