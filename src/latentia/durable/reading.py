"""Reading of files that anybody may have written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from latentia.errors import RunError, StorageError

SMALL = 2**22
"""Bytes of a file of settings or of numbers; those that are written here have some thousands."""

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""Where a path leads to no file. Any other error is of the disk, of the system or of rights: the file may be whole."""

_CHECK = "check the disk, and try again; if it stays so, restore the file from a copy"
_PERMIT = "check its permissions, and those of the folders above it"
_ROOM = "end other programs, or take a machine with more memory"
_RESTORE = "restore the file from where the folder comes from"


def read_bounded(path: Path, most: int = SMALL) -> bytes:
    """Read a regular file of at most so many bytes; a pipe or a device is refused, and not waited for.

    Raises:
        RunError: If it is missing, no regular file, or too long.
        StorageError: If the system does not give it back, or the memory does not take it.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise RunError(f"{path} has {size:,} bytes, and at most {most:,} are read", _RESTORE)
        return file.read(size)


def pieces(path: Path) -> Iterator[bytes]:
    """Read a regular file a few megabytes at a time.

    Raises:
        RunError: If it is missing or no regular file.
        StorageError: If the system does not give it back.
    """
    with _opened(path) as file:
        while piece := file.read(SMALL):
            yield piece


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with readable(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise RunError(f"{path} is not a regular file", _RESTORE)
            yield file


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system refuses into an error that names the file.

    Raises:
        RunError: If there is no file.
        StorageError: If it is not given back now: it may be whole, and nobody may take it for damaged.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        said = f"{path} cannot be read ({getattr(error, 'strerror', None) or error})"
        if isinstance(error, OSError) and not _is_absent(path, error):
            raise StorageError(said, _PERMIT if isinstance(error, PermissionError) else _CHECK) from None
        raise RunError(said, _RESTORE) from None
    except MemoryError:
        raise StorageError(f"{path} cannot be read (the memory does not take it)", _ROOM) from None


def is_there(path: Path) -> bool:
    """Tell whether anything has a name; ``Path.exists`` takes what cannot be looked at for absent, in some versions.

    Raises:
        StorageError: If it cannot be told.
    """
    with readable(path), suppress(FileNotFoundError, NotADirectoryError):
        os.stat(path, follow_symlinks=False)
        return True
    return False


def is_file(path: Path) -> bool:
    """Tell whether a name leads to a regular file.

    Raises:
        StorageError: If it cannot be told.
    """
    with readable(path), suppress(FileNotFoundError, NotADirectoryError):
        return stat.S_ISREG(os.stat(path).st_mode)
    return False


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, in order; ``Path.glob`` finds nothing in one that may not be read.

    Raises:
        RunError: If it is no folder.
        StorageError: If it cannot be told.
    """
    with readable(folder), suppress(FileNotFoundError):
        return sorted(os.listdir(folder))
    return []


def _is_absent(path: Path, error: OSError) -> bool:
    """Tell whether an error says that there is no file; a socket is told as a device is that has gone."""
    odd = os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    return error.errno in _ABSENT or (error.errno == errno.ENXIO and odd)
