"""Figures by name: each is a function of runs that returns a chart, whatever draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from latentia.errors import InputError
from latentia.reports.chart import Chart
from latentia.reports.figures.likelihood import calibration, k_curve, rate_distortion
from latentia.reports.figures.space import aggregate, dimensions
from latentia.reports.figures.training import training
from latentia.reports.gather import RunView

__all__ = ["FIGURES", "Figure", "figure_of"]


@dataclass(frozen=True)
class Figure:
    """One kind of figure.

    Attributes:
        draw: Makes the chart; raises ``NotMeasuredError`` where its numbers are missing.
        together: It shows several runs at once; otherwise it is given one.
    """

    draw: Callable[[Sequence[RunView]], Chart]
    together: bool = False


FIGURES: Mapping[str, Figure] = {
    "training": Figure(training),
    "rate-distortion": Figure(rate_distortion, together=True),
    "k-curve": Figure(k_curve, together=True),
    "dimensions": Figure(dimensions),
    "aggregate": Figure(aggregate),
    "calibration": Figure(calibration),
}


def figure_of(name: str) -> Figure:
    """Look a figure up.

    Raises:
        InputError: If there is none of this name.
    """
    if name not in FIGURES:
        raise InputError(f"there is no figure {name!r}", f"the figures are {', '.join(FIGURES)}")
    return FIGURES[name]
