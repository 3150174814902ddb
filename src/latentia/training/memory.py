"""The memory of the machine: what training does not fit in, and what it gives back."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from latentia.errors import StorageError, is_of_memory, reason_of

_REMEDY = (
    "end other programs, or take a machine or a GPU with more memory, and continue with --resume; a new run with a "
    "smaller training.batch_size or data.max_tokens takes less; what was saved before is whole"
)


@contextmanager
def within_memory() -> Iterator[None]:
    """Turn what says that the memory is full, of the machine or of a GPU, into an error that says what helps.

    Raises:
        StorageError: If it is.
    """
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_of_memory(error):
            raise
        raise StorageError(f"the memory does not take the training ({reason_of(error)})", _REMEDY) from None


def give_back_free_memory() -> None:
    """Return to the system what is free in the heap; nothing where the C library has no ``malloc_trim``.

    Batches of many shapes leave holes in a heap that glibc keeps: a thousand of 128 sentences peaked at twice as much.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
