"""Files and folders that appear under their name only when they are whole, also after a power cut."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from latentia.durable.room import free_in
from latentia.errors import StorageError

_PIECE = 2**22
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HERE, _EXCHANGE = -100, 2
"""``AT_FDCWD`` and ``RENAME_EXCHANGE`` of Linux."""
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_LOCKLESS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """What a manifest says of a file: its length and the SHA-256 of its content."""

    bytes: int
    sha256: str


def entry_of(content: bytes | memoryview) -> Entry:
    """Describe a content.

    >>> entry_of(b"").sha256[:8]
    'e3b0c442'
    """
    return Entry(len(content), hashlib.sha256(content).hexdigest())


def beside(path: Path) -> Path:
    """Name a place beside another, where it is written until it is whole."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def written_for(name: str) -> str:
    """Return what a temporary name was made for; empty where it is no temporary name.

    >>> written_for(".config.json.0a1b2c3d.tmp"), written_for(".mine.tmp")
    ('config.json', '')
    """
    match = _TEMPORARY.fullmatch(name)
    return match[1] if match else ""


def write_atomically(path: Path, content: bytes) -> Entry:
    """Write a file so that a reader sees the old content or the new, also after a power cut.

    Raises:
        StorageError: If the disk does not take it; what was there before is there still.
    """
    temporary = beside(path)
    try:
        entry = write_new(temporary, content)
        with stored(path):
            os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)
    return entry


def write_new(path: Path, content: bytes) -> Entry:
    """Write and sync a file that is not there yet, hashing each piece as it is written; a link is not followed.

    Raises:
        StorageError: If the disk does not take it.
    """
    view, digest = memoryview(content), hashlib.sha256()
    with stored(path, len(view)), _opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW) as descriptor:
        while view:
            written = os.write(descriptor, view[:_PIECE])
            digest.update(view[:written])
            view = view[written:]
        os.fsync(descriptor)
    return Entry(len(content), digest.hexdigest())


def append_line(path: Path, line: str, *, durable: bool = False) -> None:
    """Append a line to a record; a crash may tear the last line of it, and no other.

    Args:
        path: The record.
        line: What is appended.
        durable: Whether it, and those before it, are to be there after a power cut.

    Raises:
        StorageError: If the disk does not take it.
    """
    append(path, f"{line}\n".encode(), durable=durable)


def append(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Append to a file; a crash may tear what is appended, and nothing before it.

    Raises:
        StorageError: If the disk does not take it.
    """
    with (
        stored(path, len(content)),
        _opened(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW) as descriptor,
    ):
        while content:
            content = content[os.write(descriptor, content) :]
        if durable:
            os.fsync(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, so that they are there after a power cut.

    Raises:
        StorageError: If that cannot be.
    """
    with stored(path):
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        with stored(folder):
            os.makedirs(folder, exist_ok=True)
        sync(folder.parent)


def commit_folder(temporary: Path, target: Path) -> None:
    """Give a folder whose files are all written its name: from then on it is there.

    Raises:
        StorageError: If the disk does not take it.
    """
    sync(temporary)
    with stored(target):
        os.rename(temporary, target)
    sync(target.parent)


def exchange_folder(temporary: Path, target: Path) -> None:
    """Put a folder whose files are all written in the place of another, which afterwards has the temporary name.

    Where the operating system or the file system cannot do that in one step, a kill between two steps leaves both whole
    beside the place, under temporary names.

    Raises:
        StorageError: If the disk does not take it; then the target is what it was.
    """
    for folder in (*(path for path in temporary.rglob("*") if path.is_dir() and not path.is_symlink()), temporary):
        sync(folder)
    with stored(target):
        if not _exchanged_at_once(temporary, target):
            _exchange_by_renames(temporary, target)
    sync(target.parent)


def _exchanged_at_once(one: Path, other: Path) -> bool:
    """Exchange two names as Linux can; tell whether it did."""
    exchange = getattr(ctypes.CDLL(None), "renameat2", None)
    return exchange is not None and not exchange(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)


def _exchange_by_renames(temporary: Path, target: Path) -> None:
    aside = beside(target)
    os.rename(target, aside)
    try:
        os.rename(temporary, target)
    except BaseException:
        os.rename(aside, target)
        raise
    os.rename(aside, temporary)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    Raises:
        StorageError: If they cannot be: a failed sync is a failed write, and is not tried again.
    """
    with stored(path), _opened(path, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


def sweep(folder: Path) -> None:
    """Remove what writes that were cut short have left; nobody else may be writing there."""
    left: list[Path] = []
    with suppress(OSError):  # what cannot be found or removed now is there at the next start
        left += folder.glob(".*.tmp")
    for path in left:
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@contextmanager
def stored(path: Path, wanted: int = 0) -> Iterator[None]:
    """Turn what the operating system refuses into a ``StorageError`` that names the file and what helps."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"{path} cannot be written ({reason})", _remedy(error.errno, path, wanted)) from error


def _remedy(number: int | None, path: Path, wanted: int) -> str:
    """Say what helps against an error of the operating system."""
    if number in _FULL:
        needed = f" for {wanted:,} bytes" if wanted else ""
        limit = ", or raise the limit of a file's length" if number == errno.EFBIG else ""
        return f"make room{needed} ({_free(path)}){limit}; what was saved before is whole"
    if number in _REFUSED:
        return "name a folder that may be written; what was saved before is whole"
    if number in _LOCKLESS:
        return "name a folder on a file system that has locks and syncs folders; what was saved before is whole"
    return "check the path and the disk; what was saved before is whole"


def _free(path: Path) -> str:
    free = free_in(path.parent)
    return "how much is free cannot be told" if free is None else f"{free:,} bytes are free"


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
