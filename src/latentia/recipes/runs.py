"""Run folders: made by training, taken up again by ``--resume``, opened by everything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from latentia.data import Columns, Corpus, Loader, Selection, Tokenizer, read_texts
from latentia.data.sources import HUB_PREFIX
from latentia.durable import MANIFEST, is_file, is_there, locked, read_bounded, vouch, write_atomically
from latentia.errors import RunError
from latentia.evaluation.diagnosis import History
from latentia.models import TextModel
from latentia.operations import TextSpace
from latentia.operations.space import Record
from latentia.recipes.corpora import Corpora, Sources, corpora_of, lacks_corpora
from latentia.recipes.environment import ENVIRONMENT, differences, environment
from latentia.recipes.folders import CORPORA, SETTLED, begun, continued, is_pretrained, require_files, require_run
from latentia.recipes.library import load_recipe, origin_of
from latentia.recipes.pretrained import open_pretrained
from latentia.recipes.recipe import Recipe
from latentia.shapes import NonNegativeInt
from latentia.training.checkpoint import Checkpoints, Progress
from latentia.training.interruption import ended_at_once
from latentia.training.loop import Trainer
from latentia.training.memory import within_memory
from latentia.training.observers import LONGEST_RECORDS, Watch
from latentia.training.room import require_room_to_train
from latentia.training.weights import WEIGHTS, read_tensors

_INEXACT = "it goes on, but may not end with the same numbers to the last bit"


def start_run(sources: Sources, recipe: Recipe, folder: Path, seed: int, console: Console) -> bool:
    """Train a new run; tell whether it ended of itself.

    Raises:
        RunError: If the folder is not empty.
        BusyError: If another process has begun a run there.
        StorageError: If it cannot be written, or disk or memory do not take the training.
        DataError: If the data cannot be used.
    """
    sources = sources.absolute()
    with within_memory(), begun(folder):
        _learnt(sources, recipe).save(folder)
        _write_yaml(folder / "recipe.yaml", recipe.settings)
        _write_json(folder / "run.json", {"format": 2, "seed": seed, "sources": asdict(sources)})
        _write_json(folder / ENVIRONMENT, environment())
        vouch(folder, SETTLED)
        return _train(folder, console, resume=False)


def resume_run(folder: Path, console: Console) -> bool:
    """Continue a run from its newest whole checkpoint, or begin it; tell whether it ended of itself.

    Raises:
        RunError: If it is no run, a file of it was altered, or no checkpoint is whole.
        BusyError: If another process trains it.
        StorageError: If it cannot be written, or disk or memory do not take the training.
    """
    require_run(folder)
    _record_of(folder)
    with within_memory(), continued(folder):
        return _train(folder, console, resume=True)


def open_run(folder: Path) -> tuple[TextModel, Tokenizer, Recipe]:
    """Open the best weights of a run, in evaluation mode.

    Raises:
        RunError: If the folder is no run, or a file of it is missing, cut short or does not fit the others.
        RecipeError: If its recipe cannot be read or is not valid.
    """
    require_run(folder)
    recipe = _recipe_of(folder)
    tokenizer = Tokenizer.load(folder)
    path = folder / WEIGHTS
    if not is_there(path):
        raise RunError(f"{folder} has no weights yet", f"train it further with `latentia train --resume {folder}`")
    tensors = read_tensors(path, recipe.longest_weights(tokenizer.vocabulary_size))
    model = recipe.trained_model(tokenizer.vocabulary_size, tensors, path)
    return model.eval(), tokenizer, recipe


def load(folder: str | Path) -> TextSpace:
    """Open a run, or a folder that ``latentia export`` wrote, as a space to sample, reconstruct and interpolate in.

    >>> import latentia
    >>> space = latentia.load("runs/default-1")  # doctest: +SKIP
    >>> space.interpolate("the cat sat", "the dogs ran", steps=5)  # doctest: +SKIP
    """
    folder = Path(folder)
    _require_there(folder)
    if is_pretrained(folder):
        return open_pretrained(folder)
    model, tokenizer, recipe = open_run(folder)
    record = Record(
        recipe.settings,
        _evaluation_of(folder),
        _public(sources_of(folder)),
        origin=partial(origin_of, recipe.settings),
    )
    training, validation = (partial(_selected, rows, folder) for rows in (training_rows, validation_rows))
    return TextSpace(model, tokenizer, recipe.data().max_tokens, training, record, validation)


def columns_of(folder: Path) -> Columns:
    """Return the columns that a run was trained on; of a folder without that record those of everyone.

    Raises:
        RunError: If the folder is neither, or the run's record is damaged.
    """
    _require_there(folder)
    if is_pretrained(folder):
        return Columns()
    require_files(folder)
    return sources_of(folder).columns


def _require_there(folder: Path) -> None:
    """Refuse a folder that is not there to a user who may have meant a model of the Hub."""
    if not folder.exists():
        remedy = (
            "name a folder that `latentia train` or `latentia export` wrote; `hf download` fetches one from the Hub"
        )
        raise RunError(f"{folder} does not exist", remedy)


def sources_of(folder: Path) -> Sources:
    """Return the data that a run was trained on.

    Raises:
        RunError: If the run's record of it is damaged.
    """
    return _record_of(folder).sources


def seed_of(folder: Path) -> int:
    """Return the root of all randomness of a run.

    Raises:
        RunError: If the run's record of it is damaged.
    """
    return _record_of(folder).seed


def validation_rows(folder: Path) -> tuple[Corpus, np.ndarray]:
    """Return the validation corpus of a run and its rows."""
    corpora = _corpora_of(folder)
    return corpora.valid, corpora.valid_rows


def training_rows(folder: Path) -> tuple[Corpus, np.ndarray]:
    """Return the training corpus of a run and its rows."""
    corpora = _corpora_of(folder)
    return corpora.train, corpora.train_rows


def history_of(folder: Path) -> History:
    """Return how the training of a run went."""
    recipe, corpora = _recipe_of(folder), _corpora_of(folder)
    most = recipe.longest_weights(Tokenizer.load(folder).vocabulary_size)
    progress = Checkpoints(folder, most).newest()
    settings, seed = recipe.training(), _record_of(folder).seed
    loader = Loader(corpora.train, settings.batching, settings.batch_size, seed, corpora.train_rows)
    return History(
        records=records_of(folder),
        steps=progress.step,
        planned=settings.planned_steps(loader),
        finished=progress.finished,
        passes=progress.epoch + progress.position / loader.steps(progress.epoch),
        lines=len(corpora.train_rows),
    )


def records_of(folder: Path) -> list[dict[str, Any]]:
    """Return the records of ``metrics.jsonl``, without one that a crash tore."""
    path = folder / "metrics.jsonl"
    lines = read_bounded(path, LONGEST_RECORDS).decode(errors="replace").splitlines() if is_file(path) else []
    return [record for line in lines if (record := _record(line))]


def _record(line: str) -> dict[str, Any]:
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


@dataclass(frozen=True)
class _Record:
    """What ``run.json`` holds; from format 2 on the folder has a manifest."""

    format: Literal[1, 2]
    seed: NonNegativeInt
    sources: Sources


def _learnt(sources: Sources, recipe: Recipe) -> Tokenizer:
    """Learn the vocabulary of a run."""
    kind = recipe.data().tokenizer
    with ended_at_once() if kind.deaf else nullcontext():
        return kind.train(read_texts(sources.train, sources.columns))


def _train(folder: Path, console: Console, resume: bool) -> bool:
    """Build everything from the run folder, so that a resumed run is built as the first one was."""
    recipe, record, tokenizer = _recipe_of(folder), _record_of(folder), Tokenizer.load(folder)
    torch.manual_seed(record.seed)
    model, settings = recipe.model(tokenizer.vocabulary_size), recipe.training()
    require_room_to_train(folder, model, settings.optimizer.remembered)
    corpora = corpora_of(folder, record.sources, tokenizer, recipe.data(), partial(_say, console))
    vouch(folder, CORPORA)
    require_room_to_train(folder, model, settings.optimizer.remembered)  # the corpora have taken some
    trainer = Trainer(model, recipe.objective(), settings, folder, record.seed)
    loader = Loader(corpora.train, settings.batching, settings.batch_size, record.seed, corpora.train_rows)
    total = settings.planned_steps(loader)
    _require_schedule(recipe, total, console)
    if resume:
        trainer.resume()
        for remark in trainer.remarks:
            _say(console, remark)
        if changed := differences(folder):
            _say(console, f"changed since the run was begun: {'; '.join(changed)}; {_INEXACT}")
        _say(console, f"continuing after step {trainer.progress.step:,} of {total:,}")
    # Grouped as in training: the density gap and free bits a dimension depend on what stands beside an example.
    held_out = Loader(corpora.valid, settings.batching, settings.batch_size, record.seed, corpora.valid_rows)
    with Watch(folder, console, total, trainer.progress) as watch:
        ended = trainer.fit(loader, partial(held_out.epoch, 0), watch)
    if ended:
        _say(console, _ending(trainer.progress, total))
    if ended and watch.collapsed:
        _say(console, "no unit is active, the decoder ignores the code: train longer, or with another recipe")
    return ended


def _ending(progress: Progress, total: int) -> str:
    """Say why training ended, and which weights it left."""
    early = f" of {total:,}: no better for {progress.waited} validations" if progress.step < total else ""
    kept = f"the best, of step {progress.best_step:,}" if progress.best_step else "the last"
    return f"ended after step {progress.step:,}{early}; the weights kept are {kept}"


def _selected(rows: Callable[[Path], tuple[Corpus, np.ndarray]], folder: Path) -> Selection:
    return Selection(*rows(folder))


def _evaluation_of(folder: Path) -> dict[str, Any]:
    """Return what was measured of a run, if anything."""
    path = folder / "evaluation.json"
    return _record(read_bounded(path).decode(errors="replace")) if is_file(path) else {}


def _public(sources: Sources) -> tuple[str, ...]:
    """Name the data sets of the Hub; files are nobody else's."""
    return tuple(name.removeprefix(HUB_PREFIX) for name in sources.train if name.startswith(HUB_PREFIX))


def _corpora_of(folder: Path) -> Corpora:
    """Open the corpora of a run; whoever must write what is missing holds the run meanwhile."""
    sources = sources_of(folder)
    with locked(folder) if lacks_corpora(folder, sources) else nullcontext():
        return corpora_of(folder, sources, Tokenizer.load(folder), _recipe_of(folder).data(), lambda _: None)


def _require_schedule(recipe: Recipe, total: int, console: Console) -> None:
    """Warn of a weight that the run ends before reaching: it would silently train another objective."""
    settled = recipe.objective().weight.over(total).settled_at
    if settled > total:
        console.print(
            f"[yellow]the objective's weight settles at step {settled:,}, after the run's last step {total:,}[/]"
        )


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, highlight=False, markup=False)


def _recipe_of(folder: Path) -> Recipe:
    return load_recipe(str(folder / "recipe.yaml"))


def _record_of(folder: Path) -> _Record:
    path = folder / "run.json"
    try:
        record = TypeAdapter(_Record).validate_json(read_bounded(path))
    except ValidationError:
        raise RunError(f"{path} is not the record of a run", "restore the file from the run it belongs to") from None
    if record.format > 1 and not is_there(folder / MANIFEST):
        raise RunError(f"{folder} has lost its {MANIFEST}", "restore the folder from a copy, all files of it together")
    return record


def _write_yaml(path: Path, tree: dict[str, Any]) -> None:
    write_atomically(path, yaml.safe_dump(tree, sort_keys=False).encode())


def _write_json(path: Path, tree: object) -> None:
    write_atomically(path, json.dumps(tree, indent=1).encode())
