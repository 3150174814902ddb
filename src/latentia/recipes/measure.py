"""Evaluation of a run folder."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

from latentia.data import Columns, ReadReport, build_corpus, sequential
from latentia.evaluation import evaluate
from latentia.evaluation.text import require_libraries
from latentia.models import TextModel
from latentia.operations import TextSpace
from latentia.recipes.decoded import Rows, decodings, measure_decoded
from latentia.recipes.runs import open_run, sources_of, training_rows, validation_rows
from latentia.training.checkpoint import write_atomically

BATCH = 64


def evaluate_run(
    folder: Path,
    files: list[str],
    samples: int,
    seed: int,
    console: Console,
    text: str = "",
    every: int = 1,
    decode: int = 0,
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
        decode: Sequences to decode and score as text; 0 leaves that out.

    Raises:
        InputError: If text is to be scored and the libraries for it are not installed.
    """
    if decode:
        require_libraries()
    model, tokenizer, recipe = open_run(folder)
    space = TextSpace(model, tokenizer, recipe.data().max_tokens)
    with tempfile.TemporaryDirectory() as scratch:
        held_out, report = _held_out(folder, files, text, space, Path(scratch))
        if files:
            console.print("; ".join(report.sentences()))
        result = _measure(model, held_out, (samples, every), seed, console)
        if decode:
            result["text"] = _decode(space, held_out, Rows(*training_rows(folder)), decode, seed, console)
    result |= {"data": files or ["validation"], "seed": seed, "left_out": report.left_out}
    write_atomically(folder / "evaluation.json", json.dumps(result, indent=1, allow_nan=False).encode())
    return result


def _held_out(folder: Path, files: list[str], text: str, space: TextSpace, scratch: Path) -> tuple[Rows, ReadReport]:
    """Read the files, or take the run's validation data."""
    if not files:
        return Rows(*validation_rows(folder)), ReadReport()
    columns = Columns(text or sources_of(folder).columns.text)
    corpus, report = build_corpus(files, columns, space.tokenizer, scratch / "data.arrow", space.max_tokens)
    return Rows(corpus, np.arange(len(corpus))), report


def _measure(model: TextModel, held_out: Rows, draws: tuple[int, int], seed: int, console: Console) -> dict[str, Any]:
    samples, every = draws
    batches = partial(sequential, held_out.corpus, held_out.rows, BATCH)
    with _bar(console, f"nll_iw({samples})", len(held_out)) as advance:
        return evaluate(model, batches, torch.from_numpy(held_out.corpus.words), samples, seed, advance, every)


def _decode(
    space: TextSpace, held_out: Rows, training: Rows, count: int, seed: int, console: Console
) -> dict[str, Any]:
    with _bar(console, "decoding", decodings(space, min(count, len(held_out)))) as advance:
        return measure_decoded(space, held_out, training, count, seed, advance)


@contextmanager
def _bar(console: Console, title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar while something is measured, on a terminal."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        yield partial(bar.advance, bar.add_task(title, total=total))
