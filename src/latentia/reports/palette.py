"""Colours of figures and pages, on light and on dark paper.

The seven are told apart by colour-blind readers; blue and green are lighter on dark paper, to be seen there.

Source: Okabe and Ito, Color Universal Design, 2008; without yellow, which light paper swallows.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours for one paper, as ``#rrggbb``.

    Attributes:
        paper: Background.
        ink: Text, axes, and marks that stand for a reference.
        quiet: Grid lines.
        series: The colours that charts number.
    """

    paper: str
    ink: str
    quiet: str
    series: tuple[str, ...]


LIGHT = Theme(
    paper="#ffffff",
    ink="#24292f",
    quiet="#dde1e6",
    series=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"),
)
DARK = Theme(
    paper="#15191e",
    ink="#e3e7eb",
    quiet="#343b44",
    series=("#4aa8e0", "#f07f2e", "#2fc29a", "#dd9bc0", "#efb02e", "#8fd0f5", "#a6a6a6"),
)

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY = range(7)
INK = -1
"""Number of the ink, for what is a reference and no data."""


def colour(theme: Theme, number: int) -> str:
    """Return the colour of a number; after the last they begin again."""
    return theme.ink if number == INK else theme.series[number % len(theme.series)]
