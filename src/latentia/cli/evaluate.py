"""``latentia evaluate``."""

from __future__ import annotations

from typing import Annotated

import typer

from latentia.cli.console import remarks, results
from latentia.cli.options import Run, assignments, seed_option


def evaluate(  # noqa: PLR0913 - the options of a command
    run: Run,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Files to evaluate on; the run's validation data without it.", show_default=False),
    ] = None,
    text: Annotated[
        str, typer.Option(help="Column of DATA that holds the text; the run's own without it.", show_default=False)
    ] = "",
    label: Annotated[str, typer.Option(help="Column of DATA that holds a label.", show_default=False)] = "",
    samples: Annotated[int, typer.Option(min=1, help="K, samples of the importance-weighted likelihood.")] = 50,
    every: Annotated[
        int, typer.Option(min=1, help="Draw all K samples for one sequence in so many; the others get 20.")
    ] = 1,
    decode: Annotated[
        int,
        typer.Option(
            min=0,
            help="Sequences to decode, for BLEU of reconstructions, perplexities, diversity and copies of as many "
            "prior samples, and ROUGE-L of interpolations; 0 decodes none.",
        ),
    ] = 0,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            help="A further measure by name, such as Holes (docs/evaluation.md has all), or all; may be repeated.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of a measure, Holes.draws=5000; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    seed: Annotated[int, seed_option(help="Of the estimators' noise, and of what is decoded.")] = 0,
) -> None:
    """Measure a run: likelihood bounds, perplexities, information, active units, gaps to the prior.

    Prints a table and writes RUN/evaluation.json, in place of the one before. --decode also measures the text that
    the run writes, --measure what else is asked for.
    """
    from latentia.data import Columns
    from latentia.evaluation.table import evaluation_table
    from latentia.recipes.measure import Texts, evaluate_run, measures_of

    measures = measures_of(measure or (), assignments(set_))
    texts = Texts(list(data or []), Columns(text, label))
    result = evaluate_run(run, texts, samples, seed, remarks, every, decode, measures)
    title = f"{run}: {result['sentences']:,} sequences, nats a sequence"
    results.print(evaluation_table(result, title, measures))
