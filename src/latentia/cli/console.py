"""The two consoles: results on one, progress and remarks on the other."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment, Segments

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that a terminal obeys, but for tabs and line ends."""


class Terminal(Console):
    """A console that shows control characters of texts as escapes where it is a terminal, which would obey them.

    Into a file or a pipe every character goes as it is.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render what is printed; what moves the console's own cursor is none of it."""
        shown = self.is_terminal or self.file.isatty()  # the environment may deny a terminal, which obeys all the same
        for segment in super().render(renderable, options):
            obeyed = shown and not segment.control and CONTROLS.search(segment.text)
            yield Segment(escaped(segment.text), segment.style) if obeyed else segment


# Texts between colons are no names of pictures.
results = Terminal(highlight=False, soft_wrap=True, emoji=False)
remarks = Terminal(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def escaped(text: str) -> str:
    r"""Write control characters as Python would.

    >>> print(escaped("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def print_line(text: str) -> None:
    """Print a line of results, every character of it as it is; a console would turn tabs into spaces."""
    results.print(Segments([Segment(text), Segment.line()]))
