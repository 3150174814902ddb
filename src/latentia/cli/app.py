"""The commands, put together."""

from __future__ import annotations

import typer

from latentia.cli.demo import demo
from latentia.cli.evaluate import evaluate
from latentia.cli.recipes import recipes
from latentia.cli.space import interpolate, reconstruct, sample
from latentia.cli.train import train

app = typer.Typer(
    name="latentia",
    help="Latent spaces of sequences that are neither collapsed nor full of holes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (train, evaluate, sample, reconstruct, interpolate, recipes, demo):
    app.command()(command)
