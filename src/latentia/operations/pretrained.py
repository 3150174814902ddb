"""A space as the flat folder that the Hugging Face Hub and its tools read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save

import latentia
from latentia.durable import MANIFEST, Entry, Manifest, entry_of, make_folder, write_atomically
from latentia.errors import InputError, RunError
from latentia.operations.card import model_card
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
        StorageError: If the disk does not take it.
    """
    folder = Path(folder)
    if not space.record.recipe:
        raise InputError("this space was not built from a recipe", "open one with latentia.load and save that")
    _require_free(folder, overwrite)
    card = model_card(space, folder.resolve().name, {"language": language, "license": license})
    make_folder(folder)
    # First taken away and written last, so that a folder that has it is whole.
    (folder / CONFIG).unlink(missing_ok=True)
    config = _json(config_of(space))
    contents = {
        WEIGHTS: save(tensors_of(space.model), {"format": "pt"}),
        NUMBERS: _json(_portable(space.record.evaluation)) if space.record.evaluation else b"",
        **space.tokenizer.files(),
    }
    entries = {name: entry for name, content in contents.items() if (entry := _replaced(folder / name, content))}
    if overwrite or not (folder / CARD).exists():
        write_atomically(folder / CARD, card.encode())
    write_atomically(folder / MANIFEST, Manifest({**entries, CONFIG: entry_of(config)}).encode())
    write_atomically(folder / CONFIG, config)


def _replaced(path: Path, content: bytes) -> Entry | None:
    """Write a file; without a content there is to be none, for that of another model may not stay."""
    if content:
        return write_atomically(path, content)
    path.unlink(missing_ok=True)
    return None


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
        raise RunError(f"{folder} holds {there[0]} already", "name another folder, or replace it with --overwrite")


def _portable(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Leave of file names what is not the machine's."""
    return {**evaluation, "data": [Path(name).name for name in evaluation.get("data", ())]}


def _json(content: object) -> bytes:
    return json.dumps(content, indent=1).encode()
