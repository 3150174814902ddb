"""Room on a file system, asked for before it is needed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from latentia.errors import StorageError


def free_in(folder: Path) -> int | None:
    """Return the bytes that a file system says may still be written; ``None`` where it does not tell.

    What is kept for the superuser counts for that user. Quotas are not seen.
    """
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    blocks = status.f_bavail if os.geteuid() else status.f_bfree
    return blocks * status.f_frsize if status.f_blocks else None


def size_of(path: Path) -> int:
    """Return the bytes of a file; 0 where none is there, or none is told."""
    with suppress(OSError):
        return path.stat().st_size
    return 0


def require_room(folder: Path, wanted: int, purpose: str) -> None:
    """Refuse a folder whose file system says that it has less room than is wanted.

    Raises:
        StorageError: If it says so.
    """
    free = free_in(folder)
    if free is not None and free < wanted:
        raise StorageError(
            f"{folder} has {free:,} bytes free, and {purpose} takes {wanted:,} more",
            "make room, or take a folder on a larger disk",
        )
