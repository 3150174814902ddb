"""``latentia evaluate``."""

from __future__ import annotations

from typing import Annotated

import typer

from latentia.cli.console import remarks, results
from latentia.cli.options import Run, seed_option


def evaluate(
    run: Run,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Files to evaluate on; the run's validation data without it.", show_default=False),
    ] = None,
    text: Annotated[
        str, typer.Option(help="Column of DATA that holds the text; the run's own without it.", show_default=False)
    ] = "",
    samples: Annotated[int, typer.Option(min=1, help="K, samples of the importance-weighted likelihood.")] = 50,
    every: Annotated[
        int, typer.Option(min=1, help="Draw all K samples for one sequence in so many; the others get 20.")
    ] = 1,
    decode: Annotated[
        int,
        typer.Option(
            min=0,
            help="Sequences to decode, for BLEU of reconstructions, perplexities of as many prior samples, and ROUGE-L "
            "of interpolations; 0 decodes none.",
        ),
    ] = 0,
    seed: Annotated[int, seed_option(help="Of the estimators' noise, and of what is decoded.")] = 0,
) -> None:
    """Measure a run: likelihood bounds, perplexities, information, active units, gaps to the prior.

    Prints a table and writes RUN/evaluation.json. With --decode also the text that the run writes is measured.
    """
    from latentia.evaluation.table import evaluation_table
    from latentia.recipes.measure import evaluate_run

    result = evaluate_run(run, list(data or []), samples, seed, remarks, text, every, decode)
    results.print(evaluation_table(result, f"{run}: {result['sentences']:,} sequences, nats a sequence"))
