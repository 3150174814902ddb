"""Evaluation of a run folder."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

from latentia.data import Columns, Corpus, ReadReport, build_corpus, sequential
from latentia.evaluation import evaluate
from latentia.models import TextVAE
from latentia.recipes.runs import open_run, sources_of, validation_rows
from latentia.training.checkpoint import write_atomically

BATCH = 64


def evaluate_run(
    folder: Path, files: list[str], samples: int, seed: int, console: Console, text: str = "", every: int = 1
) -> dict[str, Any]:
    """Evaluate the best weights of a run and write ``evaluation.json``.

    Args:
        folder: The run.
        files: What to evaluate on; the run's validation data if there are none.
        samples: ``K``.
        seed: Of all noise.
        console: Where to show progress.
        text: Column of the files; that of the run's data if it is empty.
        every: Draw all ``K`` samples for one sequence in so many, and few for the others.
    """
    model, tokenizer, recipe = open_run(folder)
    with tempfile.TemporaryDirectory() as scratch:
        if files:
            columns = Columns(text or sources_of(folder).columns.text)
            corpus, report = build_corpus(
                files, columns, tokenizer, Path(scratch) / "data.arrow", recipe.data().max_tokens
            )
            rows = np.arange(len(corpus))
            console.print("; ".join(report.sentences()))
        else:
            (corpus, rows), report = validation_rows(folder), ReadReport()
        result = _measure(model, corpus, rows, (samples, every), seed, console)
    result |= {"data": files or ["validation"], "seed": seed, "left_out": report.left_out}
    write_atomically(folder / "evaluation.json", json.dumps(result, indent=1, allow_nan=False).encode())
    return result


def _measure(
    model: TextVAE, corpus: Corpus, rows: np.ndarray, draws: tuple[int, int], seed: int, console: Console
) -> dict[str, Any]:
    samples, every = draws
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"nll_iw({samples})", total=len(rows))
        batches = partial(sequential, corpus, rows, BATCH)
        return evaluate(
            model, batches, torch.from_numpy(corpus.words), samples, seed, partial(bar.advance, task), every
        )
