"""A space as the flat folder that the Hugging Face Hub and its tools read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors.torch import save

import latentia
from latentia.durable import (
    MANIFEST,
    Entry,
    Manifest,
    beside,
    entry_of,
    exchange_folder,
    make_folder,
    stored,
    write_atomically,
    write_new,
    written_for,
)
from latentia.errors import InputError, RunError
from latentia.operations.card import model_card
from latentia.operations.sinks import REPLACE
from latentia.operations.space import Space
from latentia.training.weights import tensors_of

FORMAT_VERSION = 1
"""Of the folder; one that a release before could not read is a new one."""

MODEL_TYPE = "latentia"
CONFIG, WEIGHTS, CARD, NUMBERS = "config.json", "model.safetensors", "README.md", "evaluation.json"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
VOUCHED = (CONFIG, WEIGHTS, NUMBERS, *TOKENIZER)
"""Files that the manifest vouches for; the card is there to be edited."""
FILES = (*VOUCHED, MANIFEST)


def save_pretrained(
    space: Space,
    folder: str | Path,
    *,
    language: str = "",
    license: str = "",  # noqa: A002 - the word of the card
    overwrite: bool = False,
) -> None:
    """Write configuration, weights, tokenizer, numbers, manifest and model card; a card that is there is kept.

    ``transformers.AutoTokenizer`` reads the tokenizer. Weights that are shared are written once.

    Args:
        space: What to write, opened from a run or from such a folder.
        folder: Where to write it; made if it is not there.
        language: Language of the texts, as in ``en``, for the card.
        license: Identifier of the licence of the weights, as in ``apache-2.0``, for the card.
        overwrite: Replace what is there, the card too.

    Raises:
        InputError: If the space was not built from a recipe, so that nothing could open the folder.
        RunError: If the folder holds a model already, or is none, or what was measured lacks a number.
        StorageError: If the disk does not take it; what was there is there still.
    """
    folder = Path(folder)
    if not space.record.recipe:
        raise InputError("this space was not built from a recipe", "open one with latentia.load and save that")
    with stored(folder):
        _require_free(folder, overwrite)
        card = model_card(space, folder.resolve().name, {"language": language, "license": license})
        contents = _contents(space)
        if overwrite or not (folder / CARD).exists():
            contents = {CARD: card.encode(), **contents}
        if any((folder / name).exists() for name in FILES):
            _replace(folder.resolve(), contents)
        else:
            make_folder(folder)
            _clear(folder, {*FILES, CARD})
            _write(folder, contents, write_atomically)


def _contents(space: Space) -> dict[str, bytes]:
    """Return the files, the configuration last: a folder that has it is whole."""
    contents = {
        WEIGHTS: save(tensors_of(space.model), {"format": "pt"}),
        **({NUMBERS: _json(_portable(space.record.evaluation))} if space.record.evaluation else {}),
        **space.tokenizer.files(),
        CONFIG: _json(config_of(space)),
    }
    manifest = Manifest({name: entry_of(content) for name, content in contents.items()})
    return {MANIFEST: manifest.encode(), **contents}


def _write(folder: Path, contents: Mapping[str, bytes], write: Callable[[Path, bytes], Entry]) -> None:
    for name, content in contents.items():
        write(folder / name, content)


def _replace(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder beside the one that is there, with what else is in that, and exchange the two."""
    _clear(folder.parent, {folder.name})
    temporary = beside(folder)
    try:
        _keep_others(folder, temporary, {*FILES, *contents})
        _write(temporary, contents, write_new)
        exchange_folder(temporary, folder)
    finally:
        _remove(temporary)


def _clear(folder: Path, names: Collection[str]) -> None:
    """Remove what writes of these names that were cut short have left."""
    for left in folder.glob(".*.tmp"):
        if written_for(left.name) in names:
            _remove(left)


def _remove(path: Path) -> None:
    with suppress(OSError):  # what cannot be removed now is there at the next export
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _keep_others(folder: Path, temporary: Path, written: Collection[str]) -> None:
    """Link what somebody has added to a folder into another one, but nothing that a write cut short has left."""

    def ours(place: str, names: Sequence[str]) -> set[str]:
        left = {name for name in names if written_for(name)}
        return left | {*written}.intersection(names) if Path(place) == folder else left

    with stored(temporary):
        try:
            shutil.copytree(folder, temporary, symlinks=True, ignore=ours, copy_function=_link)
        except shutil.Error as error:
            raise OSError(None, str(error.args[0][0][2])) from None


def _link(source: str, target: str) -> None:
    """Give a file a second name, or copy it where a file has only one."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def config_of(space: Space) -> dict[str, Any]:
    """Return what a model is built from, as plain values."""
    return {
        **space.record.others,
        "model_type": MODEL_TYPE,
        "architectures": [type(space.model).__name__],
        "latentia_version": latentia.__version__,
        "format_version": FORMAT_VERSION,
        "torch_dtype": "float32",
        "datasets": list(space.record.datasets),
        "recipe": dict(space.record.recipe),
    }


KEYS = ("model_type", "architectures", "latentia_version", "format_version", "torch_dtype", "datasets", "recipe")
"""Keys of the configuration that this version knows."""


def _require_free(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file", "name a folder")
    if (folder / "run.json").exists():
        raise RunError(f"{folder} is a run", "name another folder, so that the run stays as it is")
    there = [name for name in FILES if (folder / name).exists()]
    if there and not overwrite:
        raise RunError(f"{folder} holds {there[0]} already", f"name another folder, or {REPLACE}")


def _portable(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Leave of file names what is not the machine's."""
    return {**evaluation, "data": [Path(name).name for name in evaluation.get("data", ())]}


def _json(content: object) -> bytes:
    return json.dumps(content, indent=1).encode()
