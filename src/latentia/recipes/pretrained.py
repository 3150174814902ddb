"""Folders that hold a model to be passed on, and the Hub that they come from."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

import latentia
from latentia.data import Tokenizer
from latentia.durable import MANIFEST, read_bounded, read_manifest, require_whole
from latentia.errors import RunError
from latentia.operations import TextSpace
from latentia.operations.pretrained import (
    CONFIG,
    FILES,
    FORMAT_VERSION,
    KEYS,
    MODEL_TYPE,
    NUMBERS,
    VOUCHED,
    WEIGHTS,
)
from latentia.operations.space import Record
from latentia.recipes.library import origin_of
from latentia.recipes.recipe import Recipe
from latentia.training.weights import read_tensors

HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")


def from_pretrained(name: str | Path, **hub: Any) -> TextSpace:  # noqa: ANN401 - of another library
    """Open a folder of ``save_pretrained``, or a repository of the Hugging Face Hub that holds the same files.

    A folder that is there is opened without a look at the network, which is asked for ``owner/name`` of others alone.
    Of a repository no other files than those that this version writes are fetched, and nothing in them is run.

    Args:
        name: The folder, or ``owner/name``.
        hub: What ``huggingface_hub.snapshot_download`` takes, such as ``revision``, ``cache_dir``, ``token`` and
            ``local_files_only``; nothing of it is used for a folder.

    Raises:
        RunError: If there is no such folder or repository, or its files are missing, damaged or of another format.
        RecipeError: If its configuration is not valid.
    """
    if Path(name).exists():
        return open_pretrained(Path(name))
    if not HUB_NAME.fullmatch(str(name)):
        raise RunError(f"{name} does not exist", "name a folder, or a repository of the Hub as owner/name")
    return open_pretrained(_fetched(str(name), hub))


def open_pretrained(folder: Path) -> TextSpace:
    """Open a folder of ``save_pretrained``.

    Raises:
        RunError: If a file is missing, damaged, or of a format that this version does not read.
        RecipeError: If the configuration is not valid.
    """
    _require_vouched(folder)
    config = _config(folder / CONFIG)
    tokenizer = Tokenizer.load(folder)
    most = Recipe(config["recipe"]).longest_weights(tokenizer.vocabulary_size)
    tensors = read_tensors(folder / WEIGHTS, most)
    numbers = _object(folder / NUMBERS) if (folder / NUMBERS).exists() else {}
    return space_of(config, tokenizer, tensors, folder / WEIGHTS, numbers)


def recipe_of(folder: Path) -> Recipe:
    """Return the recipe of such a folder.

    Raises:
        RunError: If its configuration is missing, damaged, or of a format that this version does not read.
        RecipeError: If it is not valid.
    """
    return Recipe(_config(folder / CONFIG)["recipe"])


def space_of(
    config: Mapping[str, Any],
    tokenizer: Tokenizer,
    tensors: dict[str, Tensor],
    origin: Path,
    numbers: Mapping[str, Any],
) -> TextSpace:
    """Build a model from its configuration and fill in the weights.

    Raises:
        RunError: If the weights do not fit.
        RecipeError: If the configuration is not valid.
    """
    recipe = Recipe(config["recipe"])
    model = recipe.trained_model(tokenizer.vocabulary_size, tensors, origin)
    others = {key: value for key, value in config.items() if key not in KEYS}
    datasets = tuple(config.get("datasets", ()))
    record = Record(recipe.settings, numbers, datasets, others, partial(origin_of, recipe.settings))
    return TextSpace(model.eval(), tokenizer, recipe.data().max_tokens, record=record)


def _require_vouched(folder: Path) -> None:
    """Check the files against their manifest; of a folder written before there were any, say that it has none."""
    manifest = read_manifest(folder)
    if manifest is None:
        warnings.warn(f"{folder} has no {MANIFEST}: damage of its files would not be seen", stacklevel=4)
        return
    there = [name for name in VOUCHED if name in manifest.files or (folder / name).exists()]
    require_whole(folder, [name for name in there if name != WEIGHTS])


def _config(path: Path) -> dict[str, Any]:
    """Read a configuration that this version understands; of what it does not know it says so and goes on."""
    config = _object(path)
    if config.get("model_type") != MODEL_TYPE or not isinstance(config.get("recipe"), dict):
        raise RunError(f"{path} describes no model of latentia", "name a folder that `latentia export` wrote")
    if config.get("format_version") != FORMAT_VERSION:
        written = str(config.get("latentia_version"))[:20]
        raise RunError(
            f"{path} has format_version {config.get('format_version')!r}; latentia {latentia.__version__} reads "
            f"{FORMAT_VERSION}",
            f"install the version that wrote it: pip install latentia=={written}",
        )
    datasets = config.get("datasets", [])
    if not isinstance(datasets, list) or not all(isinstance(name, str) for name in datasets):
        raise RunError(f"{path} has datasets {str(datasets)[:40]!r}, not a list of names", "write a list of strings")
    if unknown := sorted(config.keys() - set(KEYS)):
        warnings.warn(f"{path} has keys that this version does not know: {', '.join(unknown)}", stacklevel=4)
    return config


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_bounded(path))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise RunError(f"{path} is no JSON object", "restore the file from where the folder comes from")
    return content


def _fetched(name: str, hub: Mapping[str, Any]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, **{**hub, "allow_patterns": list(FILES)}))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{name} cannot be fetched ({reason})", "check name and network") from None
