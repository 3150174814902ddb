"""Every recipe has its place on one page of remedies, and what a page says of settings is what the recipe holds."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from scripts.expected import measured, with_expected

from latentia.recipes import load_recipe, recipe_names
from latentia.recipes.library import parse_yaml, recipe_text

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "remedies"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.stem != "index")
PARTS = ("Assumes", "Costs", "Fails", "Expect", "Gone wrong", "Source", "Files")


class Row(NamedTuple):
    page: str
    recipe: str
    cells: list[str]


def rows(page: Path) -> list[Row]:
    """Rows of a page's first table; the recipe stands in the first cell."""
    table = re.search(r"^\|.*\n\|[-|:]+\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE)
    assert table is not None, f"{page.name} begins with no table of recipes"
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]
    return [Row(page.name, first.strip("`"), cells) for first, *cells in lines]


ROWS = [row for page in PAGES for row in rows(page)]
OF_RECIPES = [pytest.param(row, id=row.recipe) for row in ROWS if row.recipe in recipe_names()]
"""A page may be there before its recipe is."""


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_stands_on_one_page(name):
    assert [row.page for row in ROWS if row.recipe == name] != [], f"docs/remedies has no row for {name}"
    assert Counter(row.recipe for row in ROWS)[name] == 1


def test_the_index_leads_each_recipe_to_its_page():
    index = rows(FOLDER / "index.md")
    led = {row.recipe: re.findall(r"\]\(([\w-]+\.md)\)", row.cells[-1]) for row in index}
    assert led == {row.recipe: [row.page] for row in ROWS}
    assert len(index) == len(ROWS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_every_part_in_order_and_its_place_in_the_contents(page):
    found = re.findall(rf"^\*\*({'|'.join(PARTS)})\b", page.read_text(), re.MULTILINE)
    assert tuple(found) == PARTS
    assert "\n$$\n" in page.read_text()
    assert f"\n{page.stem}\n" in (FOLDER / "index.md").read_text()


def leaves(tree: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Plain values of a tree by their path."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= leaves(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return found


@pytest.mark.parametrize("row", OF_RECIPES)
def test_the_settings_shown_are_those_of_the_recipe(row):
    shown = {path: parse_yaml(value, row.page) for path, value in re.findall(r"`([\w.]+)=([^`]+)`", row.cells[1])}
    settings = leaves(load_recipe(row.recipe).settings)
    assert shown == {path: settings.get(path) for path in shown}


@pytest.mark.parametrize("row", OF_RECIPES)
def test_a_row_that_shows_settings_shows_all_that_the_recipe_changes(row):
    written = parse_yaml(recipe_text(row.recipe), row.recipe)
    if "extends" not in written or "=" not in row.cells[1]:
        return
    assert row.cells[0] == f"`{written['extends']}`"
    changes = leaves({key: value for key, value in written.items() if key not in {"about", "extends"}})
    assert changes.keys() <= set(re.findall(r"`([\w.]+)=", row.cells[1]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_measurements_quoted_are_those_of_a_recipe_of_the_page(page):
    quoted = re.findall(r"^> (.+)$", page.read_text(), re.MULTILINE)
    known = [row.recipe for row in rows(page) if row.recipe in recipe_names()]
    assert set(quoted) <= {load_recipe(name).settings["about"]["expected"] for name in known}


@pytest.mark.parametrize(("path", "expected"), [pytest.param(*each, id=each[0].stem) for each in measured()])
def test_a_recipe_says_what_its_row_says(path, expected):
    text = path.read_text(encoding="utf-8")
    assert with_expected(text, expected) == text
    assert load_recipe(path.stem).settings["about"]["expected"]
