"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

import latentia
from latentia.cli.compare import compare
from latentia.cli.demo import demo
from latentia.cli.diagnose import diagnose
from latentia.cli.evaluate import evaluate
from latentia.cli.export import export
from latentia.cli.group import Group
from latentia.cli.recipes import recipes
from latentia.cli.report import plot, report
from latentia.cli.serve import serve
from latentia.cli.train import train

app = typer.Typer(
    name="latentia",
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"latentia {latentia.__version__}")
        raise typer.Exit


@app.callback()
def _latentia(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, help="Print the version.")] = False,
) -> None:
    """Latent spaces of sequences that are neither collapsed nor full of holes."""


for command in (train, evaluate, diagnose, compare, report, plot, export, recipes, serve, demo):
    app.command()(command)
