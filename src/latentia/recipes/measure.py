"""Evaluation of a run folder."""

from __future__ import annotations

import difflib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

from latentia.data import Columns, ReadReport, Selection, Tokenizer, build_corpus
from latentia.durable import write_atomically
from latentia.errors import InputError, RecipeError, RunError
from latentia.evaluation import Measure, Subject, evaluate
from latentia.evaluation.decoded import decodings, measure_decoded
from latentia.evaluation.measure import Result
from latentia.evaluation.text import require_libraries
from latentia.recipes.build import build, validate
from latentia.recipes.families import members
from latentia.recipes.runs import open_run, sources_of, training_rows, validation_rows

BATCH, CHECKED = 64, 50
ALL = "all"


@dataclass(frozen=True)
class Texts:
    """Files to evaluate on, or none for the run's validation data; an empty column ``text`` is that of the run."""

    files: list[str]
    columns: Columns = Columns("")  # noqa: RUF009 - frozen


def evaluate_run(
    folder: Path,
    texts: Texts,
    samples: int,
    seed: int,
    console: Console,
    every: int = 1,
    decode: int = 0,
    measures: Mapping[str, Measure] = MappingProxyType({}),
) -> Result:
    """Evaluate the best weights of a run and write ``evaluation.json``.

    Args:
        folder: The run.
        texts: What to evaluate on.
        samples: ``K``.
        seed: Of all noise.
        console: Where to show progress.
        every: Draw all ``K`` samples for one sequence in so many, and few for the others.
        decode: Sequences to decode and score as text; 0 leaves that out.
        measures: Further measures by name.

    Raises:
        InputError: If text is to be scored and the libraries for it are not installed.
    """
    if decode:
        require_libraries()
    with examined(folder, texts, seed, console) as (subject, report):
        result = measured(subject, (samples, every), measures, console)
        if decode:
            result["text"] = _decoded(subject, decode, console)
    result |= {"data": texts.files or ["validation"], "seed": seed, "left_out": report.left_out}
    write_atomically(folder / "evaluation.json", json.dumps(result, indent=1, allow_nan=False).encode())
    return result


def measures_of(names: Sequence[str], settings: Sequence[tuple[str, Any]] = ()) -> dict[str, Measure]:
    """Build the measures of these names; ``all`` is every one.

    Args:
        names: As in ``latentia.evaluation``.
        settings: Path and value, as ``Holes.draws``; a measure that has settings is measured.

    Raises:
        InputError: If there is no such measure, or a setting names none.
        RecipeError: If a measure has no such setting, or a value is out of range.
    """
    given: dict[str, dict[str, Any]] = {name: {} for name in _spelled_out(names)}
    for path, value in settings:
        name, dot, key = path.partition(".")
        if not dot:
            raise InputError(f"--set {path} names no measure", f"write for instance --set Holes.{path}=VALUE")
        given.setdefault(name, {})[key] = value
    return {name: _measure_of(name, chosen) for name, chosen in given.items()}


def _measure_of(name: str, settings: Mapping[str, Any]) -> Measure:
    known = members(Measure)
    if name not in known:
        nearest = min(known, key=lambda other: -difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio())
        raise InputError(
            f"there is no measure {name!r}", f"the nearest is {nearest}; all: {', '.join(known)}, or {ALL}"
        )
    try:
        measure: Measure = build(known[name], validate(known[name], settings), {})
    except RecipeError as error:
        raise RecipeError(f"{name}: {error.message}", error.remedy) from None
    return measure


def _spelled_out(names: Sequence[str]) -> list[str]:
    return [each for name in names for each in (members(Measure) if name == ALL else (name,))]


@contextmanager
def examined(folder: Path, texts: Texts, seed: int, console: Console) -> Iterator[tuple[Subject, ReadReport]]:
    """Open a run and what it is measured on: the files, or its own validation data; say what was read of the files.

    Raises:
        RunError: If the run cannot be opened, or its tokenizer is another than its data were read with.
        DataError: If the files hold no usable line.
    """
    model, tokenizer, recipe = open_run(folder)
    max_tokens, report = recipe.data().max_tokens, ReadReport()
    validation = held_out = Selection(*validation_rows(folder))
    training = Selection(*training_rows(folder))
    _require_same_tokenizer(folder, tokenizer, validation.first(CHECKED))
    with tempfile.TemporaryDirectory() as scratch:
        if texts.files:
            columns = replace(texts.columns, text=texts.columns.text or sources_of(folder).columns.text)
            file = Path(scratch) / "data.arrow"
            corpus, report = build_corpus(texts.files, columns, tokenizer, file, max_tokens)
            held_out = Selection.all_of(corpus)
            console.print("; ".join(report.sentences()), markup=False)
        yield Subject(model, tokenizer, max_tokens, held_out, training, validation, seed), report


def _require_same_tokenizer(folder: Path, tokenizer: Tokenizer, some: Selection) -> None:
    """A tokenizer of the same size from elsewhere would be used without a word, and every number be wrong."""
    for text, ids in zip(some.texts(), some.tokens(), strict=True):
        if tokenizer.encode(text)[: len(ids)] != ids:
            raise RunError(
                f"{folder / 'tokenizer.json'} is not the tokenizer that the run's data were read with",
                "restore the file from the run it belongs to",
            )


def measured(subject: Subject, draws: tuple[int, int], measures: Mapping[str, Measure], console: Console) -> Result:
    """Take what every evaluation has, and further measures, with progress bars.

    Args:
        subject: What is measured.
        draws: ``K`` of the likelihood, and to one sequence in how many all of them are given.
        measures: By name.
        console: Where to show progress.
    """
    result = _likelihood_and_space(subject, *draws, console)
    return {**result, "measures": {name: _measured(name, each, subject, console) for name, each in measures.items()}}


def _likelihood_and_space(subject: Subject, samples: int, every: int, console: Console) -> Result:
    words = torch.from_numpy(subject.held_out.corpus.words)
    batches = partial(subject.held_out.batches, BATCH)
    with _bar(console, f"nll_iw({samples})", len(subject.held_out)) as advance:
        return evaluate(subject.model, batches, words, samples, subject.seed, advance, every)


def _decoded(subject: Subject, count: int, console: Console) -> Result:
    with _bar(console, "decoding", decodings(subject, count)) as advance:
        return measure_decoded(subject, count, advance)


def _measured(name: str, measure: Measure, subject: Subject, console: Console) -> Result:
    """Take one measure, with its settings and the seconds that it took."""
    if reason := measure.unfit(subject):
        return {"not_measured": reason}
    begin = time.perf_counter()
    with _bar(console, name, measure.work(subject)) as advance, torch.random.fork_rng():
        torch.manual_seed(subject.seed)
        numbers = measure.measure(subject, advance)
    return {"settings": measure.settings, **numbers, "seconds": round(time.perf_counter() - begin, 2)}


@contextmanager
def _bar(console: Console, title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar while something is measured, on a terminal."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        yield partial(bar.advance, bar.add_task(title, total=total))
