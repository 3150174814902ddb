"""What a format finds at a line of a source, before it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from latentia.errors import DataError


class Columns(NamedTuple):
    """Which columns of a table hold the text and the label; an empty label means none is read."""

    text: str = "text"
    label: str = ""


class Row(NamedTuple):
    """What a format found at a line, not judged yet, or the fault that kept it from finding anything."""

    line: int
    text: object = None
    label: object = ""
    fault: str = ""


def require_columns(name: str, columns: Columns, found: Sequence[str]) -> None:
    """Check that a table has the columns, each once.

    Raises:
        DataError: A column is missing (the error lists those found) or there twice.
    """
    for option, column in (("--text", columns.text), ("--label", columns.label)):
        if not column and option == "--label":
            continue
        listed = ", ".join(repr(other[:40]) for other in found[:20]) or "none"
        if column not in found:
            raise DataError(f"{name} has no column {column!r} (found: {listed})", f"name the column with {option} COLUMN")
        if found.count(column) > 1:
            raise DataError(f"{name} has more than one column {column!r} (found: {listed})", "give every column its own name")
