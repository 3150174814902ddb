"""What a format finds at a line of a source, before it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from latentia.errors import DataError


@dataclass(frozen=True)
class Columns:
    """Names of the columns to read; an empty ``label`` reads none."""

    text: str = "text"
    label: str = ""


class Row(NamedTuple):
    """What a format found at a line, or the kind of fault that kept it from finding anything."""

    line: int
    text: object = None
    label: object = ""
    fault: str = ""


def require_columns(name: str, columns: Columns, found: Sequence[str]) -> None:
    """Check that a table has the columns, each once.

    Raises:
        DataError: If a column is missing, listing those there are, or is there twice.
    """
    listed = ", ".join(repr(other[:40]) for other in found[:20]) or "none"
    for option, column in (("--text", columns.text), ("--label", columns.label)):
        if column == "" and option == "--label":
            continue
        if column not in found:
            message = f"{name} has no column {column!r} (it has {listed})"
            raise DataError(message, f"name the column with {option} COLUMN")
        if found.count(column) > 1:
            message = f"{name} has more than one column {column!r} (it has {listed})"
            raise DataError(message, "give every column a name of its own")
