"""Charts as still pictures, by matplotlib: the same chart gives the same file."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from latentia.errors import InputError
from latentia.reports.chart import Band, Bars, Chart, Contours, Line, Mark, Panel, Points, log_ticks
from latentia.reports.palette import LIGHT, colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
ACROSS, WIDTH, HEIGHT, DOTS = 2, 3.7, 3.0, 200
"""Panels in a row at most, size of one in inches, dots an inch."""
OPACITY = 0.25
"""Of each region, filled upon those around it."""
SETTINGS = {
    "svg.hashsalt": "latentia",
    "text.parse_math": False,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.edgecolor": LIGHT.ink,
    "axes.labelcolor": LIGHT.ink,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT.quiet,
    "grid.linewidth": 0.6,
    "text.color": LIGHT.ink,
    "xtick.color": LIGHT.ink,
    "ytick.color": LIGHT.ink,
    "legend.frameon": False,
    "legend.fontsize": 7,
}


def rendered(chart: Chart, form: str) -> bytes:
    """Draw a chart on light paper as ``png``, ``svg`` or ``pdf``.

    Raises:
        InputError: If matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib as mpl

    file = io.BytesIO()
    # No date in the file; pixels have none.
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # names of runs are free
        _drawn(chart).savefig(file, format=form, metadata=metadata, dpi=DOTS)
    return file.getvalue()


def require_matplotlib() -> None:
    """Refuse to go on without the library.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import matplotlib  # noqa: F401 - to see whether it is there
    except ImportError:
        raise InputError("figures need matplotlib", "install it with pip install 'latentia[plots]'") from None


def _drawn(chart: Chart) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(ACROSS, len(chart.panels))
    rows = math.ceil(len(chart.panels) / columns)
    wider = 1.25 if any(panel.square for panel in chart.panels) else 1.0
    figure = Figure(
        figsize=(wider * WIDTH * columns, wider * HEIGHT * rows),
        facecolor=LIGHT.paper,
        layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08),
    )
    places = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, panel in zip(places, chart.panels, strict=False):
        _draw_panel(axes, panel)
    for axes in places[len(chart.panels) :]:
        axes.set_axis_off()
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for place, mark in enumerate(panel.marks):
        _draw(axes, mark, place + 1)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label, title=panel.title)
    axes.set(xscale=panel.x_scale, yscale=panel.y_scale)
    if panel.square:
        axes.set_aspect("equal", adjustable="box")
    if panel.y_range:
        axes.set_ylim(*panel.y_range)
    for axis, scale, values in (
        (axes.xaxis, panel.x_scale, panel.values("x")),
        (axes.yaxis, panel.y_scale, panel.values("y")),
    ):
        if scale == "log":
            axis.set_ticks(log_ticks(values), minor=False)
            axis.set_ticks([], minor=True)
            axis.set_major_formatter("{x:,g}")
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)


def _draw(axes: Axes, mark: Mark, order: int) -> None:
    """Draw a mark in front of those of lower order."""
    style: dict[str, Any] = {"color": colour(LIGHT, mark.colour), "label": mark.name or None, "zorder": order + 1}
    match mark:
        case Line():
            dashes, dot = "--" if mark.dashed else "-", "o" if mark.dots else ""
            axes.plot(
                mark.x,
                mark.y,
                linestyle=dashes,
                marker=dot,
                markersize=3,
                linewidth=0.8 if mark.faint else 1.6,
                **style,
            )
        case Points():
            axes.scatter(mark.x, mark.y, s=mark.size**2, alpha=mark.opacity, linewidths=0, **style)
            _write_labels(axes, mark, order)
        case Bars():
            axes.bar(mark.x, mark.y, width=_bar_width(mark.x), **style)
        case Band():
            axes.fill_between(mark.x, mark.low, mark.high, alpha=0.2, linewidth=0, **style)
        case Contours():
            _draw_contours(axes, mark, style)


def _write_labels(axes: Axes, mark: Points, order: int) -> None:
    for x, y, label in zip(mark.x, mark.y, mark.labels, strict=False):
        # White on the point itself, so that nothing beside it is covered.
        axes.text(
            x, y, label, color=LIGHT.paper, fontsize=6.5, fontweight="bold", ha="center", va="center", zorder=order + 2
        )


def _draw_contours(axes: Axes, mark: Contours, style: dict[str, Any]) -> None:
    """Fill the regions, the inner ones darker, or draw their edges."""
    from matplotlib.colors import to_rgba

    shade, levels = style["color"], sorted(mark.levels)
    # The drawing of contours takes no label: an empty bar or line stands for it in the legend.
    if mark.filled:
        shades = [to_rgba(shade, alpha) for alpha in reversed(opacities(len(levels)))]
        top = max(levels[-1], *map(max, mark.height)) + 1e-9
        axes.contourf(mark.x, mark.y, mark.height, levels=[*levels, top], colors=shades, zorder=style["zorder"])
        axes.fill([], [], color=to_rgba(shade, 0.4), label=mark.name)
    else:
        axes.contour(
            mark.x,
            mark.y,
            mark.height,
            levels=levels,
            colors=[shade],
            linestyles="solid",
            linewidths=0.9,
            zorder=style["zorder"],
        )
        axes.plot([], [], color=shade, linewidth=0.9, label=mark.name)


def opacities(count: int) -> list[float]:
    """Opacity of each region, the innermost first.

    >>> opacities(3)
    [0.578, 0.438, 0.25]
    """
    return [round(1 - (1 - OPACITY) ** (count - place), 3) for place in range(count)]


def _bar_width(places: Sequence[float]) -> float:
    """Leave a fifth of the least distance between two bars."""
    ordered = sorted(places)
    return 0.8 * min((b - a for a, b in pairwise(ordered)), default=1.0)
