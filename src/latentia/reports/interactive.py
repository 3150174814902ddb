"""Charts that answer the pointer, as data for plotly.js; their colours are names until the page knows its paper."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from latentia.errors import InputError
from latentia.reports.chart import Band, Bars, Contours, Line, Mark, Panel, Points, log_ticks
from latentia.reports.palette import DARK, INK, LIGHT, Theme
from latentia.reports.static import OPACITY

Tree = dict[str, Any]


def plotly_script() -> str:
    """Return the source of plotly.js that is bundled with the library.

    Raises:
        InputError: If plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise InputError("a report needs plotly", "install it with pip install 'latentia[plots]'") from None
    source: str = get_plotlyjs()
    return source


def themes() -> Tree:
    """Return the colours of both papers by name, for the script of the page."""
    return {"light": _colours(LIGHT), "dark": _colours(DARK)}


def _colours(theme: Theme) -> Tree:
    series = {str(number): shade for number, shade in enumerate(theme.series)}
    return {"paper": theme.paper, "ink": theme.ink, "quiet": theme.quiet, **series}


def colour_name(number: int) -> str:
    """Return the name under which ``themes`` has a colour; after the last they begin again.

    >>> colour_name(2), colour_name(9), colour_name(-1)
    ('2', '2', 'ink')
    """
    return "ink" if number == INK else str(number % len(LIGHT.series))


def figure(panel: Panel) -> Tree:
    """Return the traces and the layout of one pair of axes.

    A colour is ``@NAME`` or ``@NAME/OPACITY``, of ``themes``. The library takes a small part of HTML in its texts for
    markup, so that every text is escaped.
    """
    traces = [trace for mark in panel.marks for trace in _traces(mark)]
    return {"data": traces, "layout": _layout(panel, sum(bool(trace.get("name")) for trace in traces) > 1)}


def _layout(panel: Panel, legend: bool) -> Tree:
    return {
        "paper_bgcolor": "@paper/0",
        "plot_bgcolor": "@paper/0",
        "font": {"color": "@ink", "size": 12, "family": "system-ui, sans-serif"},
        "margin": {"l": 60, "r": 15, "t": 36, "b": 50},
        "title": {"text": html.escape(panel.title), "font": {"size": 13}, "x": 0, "xref": "paper", "xanchor": "left"},
        "showlegend": legend,
        "legend": {"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0, "font": {"size": 11}},
        "hovermode": "closest",
        "hoverlabel": {"align": "left"},
        "xaxis": {
            **_axis(panel.x_label, panel.x_scale, panel.values("x")),
            **({"constrain": "domain"} if panel.square else {}),
        },
        "yaxis": {
            **_axis(panel.y_label, panel.y_scale, panel.values("y")),
            **({"scaleanchor": "x", "constrain": "domain"} if panel.square else {}),
            **({"range": list(panel.y_range)} if panel.y_range else {}),
        },
    }


def _axis(label: str, scale: str, values: Iterable[float]) -> Tree:
    return {
        "title": {"text": html.escape(label), "standoff": 8},
        "type": scale,
        **({"tickmode": "array", "tickvals": log_ticks(values)} if scale == "log" else {}),
        "separatethousands": True,
        "exponentformat": "none",
        "gridcolor": "@quiet",
        "zerolinecolor": "@quiet",
        "linecolor": "@ink",
        "showline": True,
        "ticks": "outside",
        "tickcolor": "@ink",
        "automargin": True,
    }


def _traces(mark: Mark) -> list[Tree]:
    """Return what plotly draws for a mark."""
    shade, named = f"@{colour_name(mark.colour)}", {"name": html.escape(mark.name), "showlegend": bool(mark.name)}
    match mark:
        case Line():
            return [_line(mark, shade, named)]
        case Points():
            return [_points(mark, shade, named)]
        case Bars():
            return [{"type": "bar", "x": list(mark.x), "y": list(mark.y), "marker": {"color": shade}, **named}]
        case Band():
            return [_band(mark, shade, named)]
        case Contours():
            return [_contours(mark, shade, named)]


def _line(mark: Line, shade: str, named: Tree) -> Tree:
    return {
        "type": "scatter",
        "mode": "lines+markers" if mark.dots else "lines",
        "x": list(mark.x),
        "y": list(mark.y),
        "line": {"color": shade, "width": 1 if mark.faint else 2.2, "dash": "dash" if mark.dashed else "solid"},
        "marker": {"color": shade, "size": 5},
        **named,
    }


def _points(mark: Points, shade: str, named: Tree) -> Tree:
    escaped = [html.escape(text).replace("\n", "<br>") for text in mark.hover]
    return {
        "type": "scatter",
        "mode": "markers+text" if mark.labels else "markers",
        "x": list(mark.x),
        "y": list(mark.y),
        "marker": {"color": shade, "size": 2 * mark.size if mark.labels else 1.4 * mark.size, "opacity": mark.opacity},
        **({"text": [html.escape(label) for label in mark.labels]} if mark.labels else {}),
        **({"textfont": {"color": "@paper", "size": 11}, "textposition": "middle center"} if mark.labels else {}),
        **({"hovertext": escaped, "hoverinfo": "text"} if mark.hover else {}),
        **named,
    }


def _band(mark: Band, shade: str, named: Tree) -> Tree:
    """One line there and back, filled."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*mark.x, *reversed(mark.x)],
        "y": [*mark.low, *reversed(mark.high)],
        "fill": "toself",
        "fillcolor": f"{shade}/0.2",
        "line": {"width": 0, "color": shade},
        "hoverinfo": "skip",
        **named,
    }


def _contours(mark: Contours, shade: str, named: Tree) -> Tree:
    """Put the edges at 1, 2, ..., inwards: the library wants them evenly spaced, and fills one upon the other."""
    count = len(mark.levels)
    scale = [[0, f"{shade}/0"], *([place / count, f"{shade}/{OPACITY}"] for place in range(1, count + 1))]
    rising = sorted(mark.levels)
    return {
        "type": "contour",
        "x": list(mark.x),
        "y": list(mark.y),
        "z": [[_stretched(height, rising) for height in row] for row in mark.height],
        "contours": {"start": 1, "end": count, "size": 1, "coloring": "fill" if mark.filled else "none"},
        "colorscale": scale if mark.filled else [[0, shade], [1, shade]],
        "line": {"color": shade, "width": 0 if mark.filled else 1.2},
        "showscale": False,
        "hoverinfo": "skip",
        **named,
        "showlegend": True,
    }


def _stretched(height: float, levels: Sequence[float]) -> float:
    """Map rising levels to 1, 2, ... and what lies between evenly, not further than one beyond either end.

    >>> [_stretched(height, [-3.0, -1.0, 0.0]) for height in (-99.0, -3.0, -2.0, -0.5, 0.0, 9.0)]
    [0.0, 1.0, 1.5, 2.5, 3.0, 4.0]
    """
    count = len(levels)
    place = max(1, min(count - 1, sum(height > level for level in levels)))
    lower, upper = levels[place - 1], levels[min(place, count - 1)]
    inside = (height - lower) / ((upper - lower) or 1.0)
    return round(min(max(place + inside, 0.0), count + 1.0), 4)
