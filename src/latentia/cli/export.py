"""``latentia export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentia.cli.console import results
from latentia.cli.options import Run


def export(
    run: Run,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write.")],
    language: Annotated[
        str, typer.Option(help="Language of the texts, as in en, for the card.", show_default=False)
    ] = "",
    license_: Annotated[
        str,
        typer.Option("--license", help="Licence of the weights, as in apache-2.0.", show_default=False),
    ] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there, the card too.")] = False,
) -> None:
    """Write a run as a folder to pass on: configuration, weights, tokenizer and model card, as Hugging Face has them.

    The card holds what `latentia evaluate` measured. All commands that take RUN to work in its space take
    such a folder too.
    """
    from latentia.recipes.runs import load

    load(run).save_pretrained(folder, language=language, license=license_, overwrite=overwrite)
    results.print(f"folder: {folder}", markup=False)
