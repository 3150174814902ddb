"""One family of errors: a message that names the thing and its value, a remedy, an exit code."""

from __future__ import annotations

import errno

_FULL_MEMORY = (
    "out of memory",
    "allocate memory",
    "not enough memory",
    "alloc_failed",
    "bad_alloc",
    "create a primitive",
)
"""What PyTorch and its libraries say; the last is oneDNN's, whatever it lacks."""


class LatentiaError(Exception):
    """An expected failure: what is wrong, what to do about it, and the exit code of the command.

    >>> str(DataError("data.txt is empty", "give a file with one sequence a line"))
    'data.txt is empty: give a file with one sequence a line'
    """

    exit_code = 2

    def __init__(self, message: str, remedy: str) -> None:
        """Keep the two halves apart, so that a page can show them apart."""
        super().__init__(f"{message}: {remedy}")
        self.message = message
        self.remedy = remedy


class DataError(LatentiaError):
    """A corpus, a column or a line cannot be used."""


class RecipeError(LatentiaError):
    """A recipe has an unknown key, a wrong type or a value out of range."""


class RunError(LatentiaError):
    """A run folder, or a file in it, is missing, altered or not a run."""


class BusyError(RunError):
    """A run folder is in use by another process; later it may be free."""

    exit_code = 75


class StorageError(LatentiaError):
    """The disk or the memory is full, fails, or gives nothing back; what was saved before is whole."""

    exit_code = 74


class InputError(LatentiaError):
    """An argument of an operation or a command is out of range."""


class NumericalError(LatentiaError):
    """A number that must be finite is not."""


class ImpossibleError(InputError):
    """No text meets what was demanded, or none was found in the tries that were allowed."""


def reason_of(error: BaseException) -> str:
    r"""Return the first line of what an error says, or its type where it says nothing.

    >>> reason_of(ValueError("no header\nat byte 0")), reason_of(MemoryError())
    ('no header', 'MemoryError')
    """
    return next(iter(f"{error}".splitlines()), type(error).__name__)


def is_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the memory is full, of the machine or of a GPU.

    PyTorch has one type of error for a full memory of the machine and for much else.

    >>> is_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    True
    >>> is_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
    False
    """
    told = isinstance(error, RuntimeError) and any(sign in f"{error}".lower() for sign in _FULL_MEMORY)
    return told or isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
