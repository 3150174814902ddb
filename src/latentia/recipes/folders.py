"""What a run folder holds, how one is begun, and who may write in it."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from latentia.durable import (
    MANIFEST,
    is_there,
    locked,
    make_folder,
    names_in,
    read_manifest,
    readable,
    require_unheld,
    require_whole,
    stored,
    sweep,
    vouch,
)
from latentia.durable.lock import LOCK
from latentia.errors import BusyError, RunError, StorageError
from latentia.operations.pretrained import CONFIG
from latentia.training.board import BOARD
from latentia.training.finiteness import EVIDENCE
from latentia.training.weights import WEIGHTS

TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
SETTLED = ("recipe.yaml", "run.json", "environment.json", *TOKENIZER)
"""Files that are written before training begins, and never again."""

WRITTEN_IN = ("data", "checkpoints", BOARD, EVIDENCE)
"""Folders that training makes in a run, and removes files from."""

CORPORA = ("data/train.arrow", "data/valid.arrow")


def require_free(folder: Path) -> None:
    """Refuse a place that holds anything but what a start that was cut short has left.

    Raises:
        RunError: If it is a file, or a folder that is not empty.
        BusyError: If another process trains there.
        StorageError: If it cannot be looked into, or may not be written.
    """
    with stored(folder):
        for place in (folder, *folder.parents):
            if place.exists() and not place.is_dir():
                raise RunError(f"{place} is a file (Not a directory)", "name a folder with --out")
        if folder.exists() and not _is_free(folder):
            require_unheld(folder)
            raise _not_empty(folder)
        _require_writable(folder)


def is_pretrained(folder: Path) -> bool:
    """Tell whether a folder is one to be passed on, and no run."""
    return (folder / CONFIG).is_file() and not (folder / "run.json").exists()


def is_vacant(folder: Path) -> bool:
    """Tell whether a run can be begun in a folder of this name: it is not there, or what is there is nobody's."""
    try:
        require_unheld(folder)
    except BusyError:
        return False
    return not folder.exists() or (folder.is_dir() and _is_free(folder))


def require_run(folder: Path) -> None:
    """Refuse a folder that is no run, or whose settings are not those that it was begun with.

    Raises:
        RunError: If a file is missing, cut short or altered, or a folder in it is a link to another place.
    """
    require_files(folder)
    if read_manifest(folder) is None:
        warnings.warn(
            f"{folder} has no {MANIFEST}: damage of its files would not be seen; `latentia train --resume` writes one",
            stacklevel=4,
        )
    else:
        require_whole(folder, SETTLED)


def require_files(folder: Path) -> None:
    """Refuse a folder that is no run, by the names in it alone.

    Raises:
        RunError: If a file is missing, or a folder in it is a link to another place.
        StorageError: If it cannot be looked into.
    """
    with readable(folder):
        _require_files(folder)


def _require_files(folder: Path) -> None:
    if not folder.exists():
        raise RunError(f"{folder} does not exist", "name a folder that `latentia train` wrote")
    if is_pretrained(folder):
        raise RunError(f"{folder} was exported, and holds no training", "name the run that it came from")
    for place in (folder / name for name in WRITTEN_IN):
        if place.is_symlink():
            raise RunError(f"{place} is a link: nothing is written through it", "put the folder itself in its place")
    for name in ("recipe.yaml", "run.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise RunError(f"{folder} is no run, it has no {name}", "name a folder that `latentia train` wrote")


def require_corpus(folder: Path, name: str) -> None:
    """Check a corpus against the manifest, if that knows it.

    Raises:
        RunError: If it is cut short or altered.
    """
    manifest = read_manifest(folder)
    if manifest is not None and name in manifest.files:
        require_whole(folder, [name])


@contextmanager
def begun(folder: Path) -> Iterator[None]:
    """Make and hold a folder; if training cannot begin, take what was made away: there would be no run to resume.

    Raises:
        RunError: If it holds anything.
        BusyError: If another process holds it.
        StorageError: If it cannot be written.
    """
    require_free(folder)
    with stored(folder):
        made = [place for place in (folder, *folder.parents) if not place.exists()]
    make_folder(folder)
    with locked(folder):
        with stored(folder):
            if not _is_free(folder):
                raise _not_empty(folder)
            _empty(folder)
        try:
            yield
        except BaseException as error:
            if not _is_worth_keeping(folder, error):
                _take_away(folder, made)
            raise


@contextmanager
def continued(folder: Path) -> Iterator[None]:
    """Hold a run, without what writes that were cut short have left in it.

    Raises:
        BusyError: If another process holds it.
        StorageError: If it cannot be written.
    """
    with locked(folder):
        for place in (folder, *(folder / name for name in ("data", "checkpoints", EVIDENCE))):
            sweep(place)
        vouch(folder, (*SETTLED, *CORPORA, WEIGHTS))
        yield


def _require_writable(folder: Path) -> None:
    """Refuse a folder, or what it would be made in, that may not be written."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _is_free(folder: Path) -> bool:
    """Tell whether a folder is empty, or was begun and never had a manifest, which comes last."""
    names = {path.name for path in folder.iterdir()}
    unfinished = {name for name in names if name.startswith(".") and name.endswith(".tmp")}
    return not names or (LOCK in names and names <= {LOCK, *SETTLED, *unfinished})


def _not_empty(folder: Path) -> RunError:
    return RunError(f"{folder} is not empty", "name another folder with --out, or continue it with --resume")


def _is_worth_keeping(folder: Path, error: BaseException) -> bool:
    """Tell whether there is something to continue, or to look at; where that cannot be told, there may be."""
    try:
        interrupted = isinstance(error, KeyboardInterrupt) and is_there(folder / MANIFEST)
        saved = any(name.startswith("step-") for name in names_in(folder / "checkpoints"))
        return interrupted or saved or is_there(folder / EVIDENCE)
    except StorageError:
        return True


def _take_away(folder: Path, made: Iterable[Path]) -> None:
    """Leave the folder as it was found, and none that was made for it.

    Raises:
        StorageError: If the disk does not take that.
    """
    with stored(folder):
        _empty(folder)
        (folder / LOCK).unlink(missing_ok=True)
    with suppress(OSError):  # another process may have begun a run here by now
        for place in made:
            place.rmdir()


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != LOCK:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
