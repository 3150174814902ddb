"""A memory that training does not fit in."""

from __future__ import annotations

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
