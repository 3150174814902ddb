"""The two consoles: results on one, progress and remarks on the other."""

from __future__ import annotations

from rich.console import Console
from rich.segment import Segment, Segments

# Texts between colons are no names of pictures.
results = Console(highlight=False, soft_wrap=True, emoji=False)
remarks = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def print_line(text: str) -> None:
    """Print a line of results, every character of it as it is; a console would turn tabs into spaces."""
    results.print(Segments([Segment(text), Segment.line()]))
