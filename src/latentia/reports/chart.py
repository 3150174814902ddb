"""What a figure shows, whatever draws it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Line:
    """Points joined by lines.

    Attributes:
        name: What it is, for the legend.
        x: Places.
        y: Values.
        colour: Number of its colour.
        faint: Drawn thin, to stand behind.
        dashed: Drawn in dashes.
        dots: The points are marked too.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int
    faint: bool = False
    dashed: bool = False
    dots: bool = False


@dataclass(frozen=True)
class Points:
    """Single points.

    Attributes:
        name: What they are, for the legend.
        x: Places.
        y: Values.
        colour: Number of their colour.
        hover: Text of each, shown when pointed at; none or one each.
        labels: Short text beside each; none or one each.
        size: Diameter in points of print.
        opacity: 1 hides what is behind.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int
    hover: Sequence[str] = ()
    labels: Sequence[str] = ()
    size: float = 5.0
    opacity: float = 1.0


@dataclass(frozen=True)
class Bars:
    """One bar at each place."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int


@dataclass(frozen=True)
class Band:
    """What lies between two curves, such as a standard error to both sides."""

    name: str
    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    colour: int


@dataclass(frozen=True)
class Contours:
    """Where a height is above some levels.

    Attributes:
        name: What has the height, for the legend.
        x: Places of the columns.
        y: Places of the rows.
        height: One sequence a row.
        levels: Where the edges are, falling.
        colour: Number of the colour.
        filled: Regions are filled, or else their edges are drawn.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    height: Sequence[Sequence[float]]
    levels: Sequence[float]
    colour: int
    filled: bool


Mark = Line | Points | Bars | Band | Contours


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        x_label: What is to the right, with its unit.
        y_label: What is upwards, with its unit.
        marks: What is drawn, later ones in front.
        title: What it shows, if the labels do not say it.
        x_scale: Linear or logarithmic.
        y_scale: Linear or logarithmic.
        square: A unit is as long to the right as upwards.
        y_range: Least and greatest value that are shown; all values if empty.
    """

    x_label: str
    y_label: str
    marks: Sequence[Mark]
    title: str = ""
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    square: bool = False
    y_range: Sequence[float] = ()

    def values(self, axis: Literal["x", "y"]) -> list[float]:
        """Places of all lines, points and bars on one axis."""
        return [value for mark in self.marks for value in getattr(mark, axis, ())]


def log_ticks(values: Iterable[float]) -> list[float]:
    """Return where a logarithmic axis over these values is marked: at 1, 2 and 5, or at powers of ten if it is long.

    >>> log_ticks([1, 50])
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
    >>> log_ticks([3, 40_000])
    [10.0, 100.0, 1000.0, 10000.0]
    """
    positive = [value for value in values if value > 0] or [1.0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    marks = [10.0**power * step for power in range(math.floor(low), math.ceil(high) + 1) for step in (1, 2, 5)]
    inside = [mark for mark in marks if low - 0.1 <= math.log10(mark) <= high + 0.1]
    return inside if high - low < 2 else [mark for mark in inside if math.log10(mark).is_integer()]


@dataclass(frozen=True)
class Chart:
    """A figure.

    Attributes:
        title: Its heading.
        panels: From left to right.
        caption: What is shown, how it was estimated, and how to read it.
    """

    title: str
    panels: Sequence[Panel]
    caption: str

    @property
    def alternative(self) -> str:
        """What a reader who cannot see the figure is told before the caption."""
        shown = "; ".join(f"{panel.y_label} over {panel.x_label}" for panel in self.panels)
        return f"{self.title}. Panels: {shown}."
