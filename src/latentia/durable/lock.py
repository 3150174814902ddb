"""A folder that one process writes at a time."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latentia.durable.writing import stored
from latentia.errors import BusyError, StorageError

LOCK = "run.lock"
_HOLDER = 200
"""Bytes of a lock in which its holder is named."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; the operating system lets go of it when the process ends, however it ends.

    Raises:
        BusyError: If another process holds it.
        StorageError: If the folder cannot be written, or its file system knows no locks.
    """
    path = folder / LOCK
    descriptor = _held(path)
    try:
        with stored(path):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def require_unheld(folder: Path) -> None:
    """Refuse a folder that a process holds, without leaving anything in it.

    Raises:
        BusyError: If one holds it.
    """
    path = folder / LOCK
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _busy(path, os.read(descriptor, _HOLDER).decode(errors="replace").split()) from None
    except OSError:
        return  # whoever would write here learns why there are no locks
    finally:
        os.close(descriptor)


def _held(path: Path) -> int:
    """Open and lock the file; one that was removed meanwhile locks nothing, and another is opened.

    What has another name is not written: it may be a file of another folder, put there by who packed this one.
    """
    while True:
        with stored(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, _HOLDER).decode(errors="replace").split()
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                with stored(path):
                    raise
            raise _busy(path, holder) from None
        if os.fstat(descriptor).st_nlink > 1:
            os.close(descriptor)
            raise StorageError(f"{path} is another file too: nothing is written through it", f"remove {path}")
        if _is_there(path, descriptor):
            return descriptor
        os.close(descriptor)


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _busy(path: Path, holder: list[str]) -> BusyError:
    who = f" {holder[0]} on {holder[1]}" if len(holder) == 2 else ""
    return BusyError(
        f"{path.parent} is in use by another process{who}", "wait until it has ended, stop it, or name another folder"
    )
