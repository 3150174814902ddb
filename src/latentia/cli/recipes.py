"""``latentia recipes``."""

from __future__ import annotations

from typing import Annotated

import typer

from latentia.cli.console import results


def recipes(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Recipe to print; without it all are listed.", show_default=False),
    ] = "",
) -> None:
    """List the recipes, or print one."""
    from rich.table import Table
    from rich.text import Text

    from latentia.recipes import load_recipe, recipe_names
    from latentia.recipes.library import recipe_text

    if name:
        results.print(recipe_text(name), markup=False, end="")
        return
    table = Table(box=None, header_style="")
    for column in ("recipe", "what it is, and its source"):
        table.add_column(column, no_wrap=column == "recipe")
    for known in recipe_names():
        about = load_recipe(known).settings["about"]
        table.add_row(known, Text.assemble(about["summary"], "\n", (about["source"], "dim")))
    results.print(table)
