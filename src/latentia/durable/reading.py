"""Reading of files that anybody may have written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from latentia.errors import RunError, StorageError

SMALL = 2**22
"""Bytes of a file of settings or of numbers; those that are written here have some thousands."""

_WRONG = ("ENOENT", "ENOTDIR", "EISDIR", "ELOOP", "ENXIO", "EACCES", "EPERM", "EINVAL", "ENAMETOOLONG")
"""What a file is that is missing, no file, or not ours to read; any other error is of the disk or of the system."""

_CHECK = "check the disk, and try again; if it stays so, restore the file, or move a checkpoint's folder away"
_RESTORE = "restore the file from where the folder comes from"


def read_bounded(path: Path, most: int = SMALL) -> bytes:
    """Read a regular file of at most so many bytes; a pipe or a device is refused, and not waited for.

    Raises:
        RunError: If it is missing, no regular file, or too long.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise RunError(f"{path} has {size:,} bytes, and at most {most:,} are read", _RESTORE)
        try:
            return file.read(size)
        except MemoryError:
            raise RunError(f"{path} has {size:,} bytes, more than the memory takes", _RESTORE) from None


def pieces(path: Path) -> Iterator[bytes]:
    """Read a regular file a few megabytes at a time.

    Raises:
        RunError: If it is missing or no regular file.
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
    """Turn what the operating system refuses into a ``RunError`` that names the file.

    A disk that fails is a ``StorageError``: the file may be whole, and nobody may take it for damaged.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, OSError) and errno.errorcode.get(error.errno or errno.ENOENT) not in _WRONG:
            raise StorageError(f"{path} cannot be read ({reason})", _CHECK) from None
        raise RunError(f"{path} cannot be read ({reason})", "restore the file, or check its permissions") from None
