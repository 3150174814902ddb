"""One family of errors: a message that names the thing and its value, a remedy, an exit code."""

from __future__ import annotations


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
