"""One page: its parts put together, with all that they need inside."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import latentia
from latentia.errors import LatentiaError
from latentia.reports.chart import Chart
from latentia.reports.interactive import figure, plotly_script, themes
from latentia.reports.markup import Markup, element, with_code
from latentia.reports.static import rendered

GENERATOR = "latentia report"

Verdict = tuple[str, str, str]
"""State in a word or two, what is found in one sentence, and the evidence for it."""


def page(title: str, contents: Sequence[tuple[str, str]], body: Sequence[Markup]) -> str:
    """Return a whole document.

    Nothing is loaded from anywhere, and no script runs but the two that are named by their hashes: neither a text of a
    corpus nor the name of a file can become one.

    Args:
        title: Of the document.
        contents: Identifier and heading of each section.
        body: The sections.
    """
    scripts = [plotly_script(), _own("report.js")]
    links = [element("li", element("a", heading, href=f"#{name}")) for name, heading in contents]
    colours = element("script", _json(themes()), type="application/json", id="themes")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(scripts)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="generator", content=f"{GENERATOR} {latentia.__version__}"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(_own("report.css"))),
    )
    shown = element(
        "body",
        element("header", element("h1", title), element("nav", element("ul", *links), aria_label="Contents")),
        element("main", *body),
        element("footer", element("p", f"latentia {latentia.__version__}")),
        colours,
        *(element("script", Markup(script)) for script in scripts),
    )
    return f"<!DOCTYPE html>\n{element('html', head, shown, lang='en')}\n"


def section(name: str, heading: str, *children: Markup, level: int = 2) -> Markup:
    """Return a section under a heading."""
    return element("section", element(f"h{level}", heading), *children, id=name)


def figures(chart: Chart) -> Markup:
    """Return a chart twice: to point at, and still, for print and where no script runs."""
    still = base64.b64encode(rendered(chart, "svg")).decode()
    panels = [
        element("div", element("script", _json(figure(panel)), type="application/json"), class_="panel")
        for panel in chart.panels
    ]
    return element(
        "figure",
        element("div", *panels, class_=_grid(chart), role="group", aria_label=chart.alternative),
        element("img", class_="still", alt=chart.alternative, src=f"data:image/svg+xml;base64,{still}"),
        element("figcaption", chart.caption),
    )


def _grid(chart: Chart) -> str:
    """Class of the panels: square ones need more room, and a single one less than the whole width."""
    names = ["panels", *(["square"] if any(panel.square for panel in chart.panels) else [])]
    return " ".join([*names, *(["single"] if len(chart.panels) == 1 else [])])


def missing(reason: LatentiaError) -> Markup:
    """Say in place of a figure or a table why it is not there, and what to do."""
    return element("p", "Not shown: ", reason.message, "; ", *with_code(reason.remedy), ".", class_="missing")


def verdicts(found: Sequence[Verdict]) -> Markup:
    """Return the list of what was diagnosed; nothing while there is none."""
    if not found:
        return Markup("")
    items = [
        element(
            "li",
            element("strong", state),
            " ",
            sentence,
            element("small", *with_code(evidence)),
            class_=f"verdict {state.replace(' ', '-')}",
        )
        for state, sentence, evidence in found
    ]
    return section("verdicts", "Diagnosis", element("ul", *items))


def _json(tree: dict[str, Any]) -> Markup:
    """JSON inside of a script element, which only ``<`` could leave."""
    return Markup(json.dumps(tree, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))


def _policy(scripts: Sequence[str]) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in scripts
    )
    # plotly.js writes its own style sheet, and pictures to save from what it has drawn.
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"


def _own(name: str) -> str:
    """Read a file of this room."""
    return files("latentia.reports").joinpath(name).read_text(encoding="utf-8")
