"""What is said among answers and is no row of their table."""

from __future__ import annotations


class Aside:
    """An answer that describes the others: shown in its place where they are shown, kept apart where they are written.

    >>> class Count(Aside):
    ...     def __str__(self):
    ...         return "two texts"
    >>> Count().remark()
    'two texts'
    """

    __slots__ = ()

    def remark(self) -> str:
        """Say it where no rows follow."""
        return str(self)
