"""HTML whose every text is escaped: only what these functions return is taken for markup."""

from __future__ import annotations

import html
from collections.abc import Sequence


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


EMPTY = frozenset({"img", "link", "meta"})
"""Elements that have no end."""


def element(tag: str, *children: str, **attributes: str) -> Markup:
    """Return an element; a child that is no ``Markup`` is text. An underscore after an attribute's name is left out.

    >>> element("p", "1 < 2", element("b", "so"), class_="note")
    '<p class="note">1 &lt; 2<b>so</b></p>'
    """
    pairs = (f' {name.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for name, value in attributes.items())
    start = f"<{tag}{''.join(pairs)}>"
    return Markup(start if tag in EMPTY else f"{start}{together(*children)}</{tag}>")


def together(*children: str) -> Markup:
    """Join texts and elements."""
    return Markup("".join(child if isinstance(child, Markup) else html.escape(child) for child in children))


def with_code(text: str) -> list[str]:
    """Mark what stands between backticks as code.

    >>> with_code("run `ls`")
    ['run ', '<code>ls</code>', '']
    """
    return [element("code", part) if place % 2 else part for place, part in enumerate(text.split("`"))]


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """Return a table; the first cell of a row is its heading. It scrolls by itself on a narrow screen."""
    head = element("tr", *(element("th", title, scope="col") for title in header))
    body = [
        element("tr", element("th", first, scope="row"), *(element("td", cell, dir="auto") for cell in rest))
        for first, *rest in rows
    ]
    parts = element("caption", caption), element("thead", head), element("tbody", *body)
    return element("div", element("table", *parts), class_="wide", tabindex="0", role="region", aria_label=caption)
