"""``latentia recipes``."""

from __future__ import annotations

from typing import Annotated

import typer

from latentia.cli.console import results


def recipes(
    name: Annotated[
        str, typer.Argument(help="Recipe to print whole; all are listed without it.", show_default=False)
    ] = "",
) -> None:
    """List the recipes, or print one."""
    from rich.table import Table

    from latentia.recipes import load_recipe, recipe_names
    from latentia.recipes.library import recipe_text

    if name:
        results.print(recipe_text(name), markup=False, end="")
        return
    table = Table()
    for column in ("recipe", "what it is", "source"):
        table.add_column(column)
    for known in recipe_names():
        about = load_recipe(known).settings["about"]
        table.add_row(known, about["summary"], about["source"])
    results.print(table)
