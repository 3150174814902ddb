"""``latentia train``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from latentia.cli.console import remarks, results
from latentia.cli.options import assignments, seed_option
from latentia.errors import InputError, RunError


def train(  # noqa: PLR0913 - the options of a command, and the context that knows which of them were given
    context: typer.Context,
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DATA", help="Files (.txt .jsonl .csv .tsv .parquet, also .gz), or hf:NAME.", show_default=False
        ),
    ] = None,
    valid: Annotated[
        list[str] | None,
        typer.Option(help="Validation file; without one a share of DATA is held out.", show_default=False),
    ] = None,
    text: Annotated[str, typer.Option(help="Column that holds the text.")] = "text",
    label: Annotated[str, typer.Option(help="Column that holds a label.")] = "",
    recipe: Annotated[
        str, typer.Option(help="Name of a recipe (see `latentia recipes`), or a .yaml file.")
    ] = "default",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Replace a value of the recipe, KEY=VALUE.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder to make; runs/RECIPE-1, -2, ... without it.", show_default=False)
    ] = None,
    seed: Annotated[int, seed_option(help="Root of all randomness.")] = 1,
    resume: Annotated[Path | None, typer.Option(help="Continue this run.", show_default=False)] = None,
) -> None:
    """Train a model on a corpus.

    The run folder gets the recipe, the tokenizer, the best weights, the
    metrics and checkpoints. Ctrl-C saves and stops, and so does SIGTERM;
    --resume continues as if nothing had happened.
    """
    from latentia.data import Columns
    from latentia.recipes import load_recipe
    from latentia.recipes.corpora import Sources
    from latentia.recipes.runs import resume_run, start_run
    from latentia.training.interruption import interruption

    if (resume is None) == (not data):
        raise InputError("train takes DATA or --resume RUN, one of them", "see `latentia train --help`")
    with interruption(within_time=True) as asked:
        if resume is not None:
            _require_alone(context)
            folder, begin = resume, partial(resume_run, resume, remarks)
        else:
            chosen = load_recipe(recipe).with_settings(assignments(set_))
            folder = out or _next_folder(recipe)
            sources = Sources(list(data or []), list(valid or []), Columns(text, label))
            begin = partial(start_run, sources, chosen, folder, seed, remarks)
        try:
            ended, saved = begin(), "and saved"
        except KeyboardInterrupt:
            ended, saved = False, "at once"
    if not ended:
        remarks.print(f"interrupted {saved}; {_remedy(folder)}", markup=False)
        raise typer.Exit(asked.exit_code)
    results.print(f"run folder: {folder}", markup=False)


def _remedy(folder: Path) -> str:
    """Say how to go on; interrupted before a run was begun there is none."""
    begun = (folder / "run.json").exists()
    return f"continue with `latentia train --resume {folder}`" if begun else "nothing was begun"


def _require_alone(context: typer.Context) -> None:
    """A run is resumed as it was begun; an option that would be ignored is refused."""
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name != "resume" and source is not None and source.name == "COMMANDLINE":
            raise InputError(f"{option.opts[0]} cannot be given with --resume", "a run goes on as it was begun")


def _next_folder(recipe: str) -> Path:
    """Name the first folder in which a run can be begun."""
    from latentia.recipes.folders import is_vacant

    name = Path(recipe).stem
    for number in range(1, 100_000):
        folder = Path("runs") / f"{name}-{number}"
        if is_vacant(folder):
            return folder
    raise RunError("runs/ is full", "name a folder with --out")
