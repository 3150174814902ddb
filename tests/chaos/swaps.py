"""Paths inside an artefact, tokenizers of another model, and weights whose numbers are poison."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.chaos.placing import Attack, content, edited, link_to_secret, made, place, secret_near

READ = ("model.safetensors", "evaluation.json", "manifest.json", "config.json", "tokenizer.json")
WRITTEN = ("run.lock", "metrics.jsonl", "manifest.json", "checkpoints/newest/state.json", "recipe.yaml")
NAMES = {
    "a way up": "../secret",
    "an absolute path": "/etc/passwd",
    "NUL": "model.safetensors\0.txt",
    "4 KB": "a" * 4096,
    "another case": "MODEL.SAFETENSORS",
    "a folder": "checkpoints/../../secret",
    "a control character": "\x1b[2J",
    "nothing": "",
}
"""Names of files in a manifest beside those that are there."""

FOR_NUMBERS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
FAR = 1e38
DENORMAL = 1e-40


def attacks() -> Iterator[tuple[str, str, Attack]]:
    """Yield a name, what is attacked, and the attack."""
    yield from _places()
    yield from _names()
    yield from _tokenizers()
    yield from _numbers()


def _places() -> Iterator[tuple[str, str, Attack]]:
    """Pipes, devices, folders and links in the place of files."""
    for name in READ:
        yield f"a pipe as {name}", "folder", made(name, os.mkfifo)
        yield f"an endless device as {name}", "folder", made(name, lambda path: path.symlink_to("/dev/zero"))
        yield f"a folder as {name}", "folder", made(name, Path.mkdir)
        yield f"a link to a secret as {name}", "folder", made(name, link_to_secret)
    for name in WRITTEN:
        yield f"a link to a secret as {name}", "run", made(name, link_to_secret)
        yield f"another name of a secret as {name}", "run", made(name, lambda path: path.hardlink_to(secret_near(path)))
        yield f"a pipe as {name}", "run", made(name, os.mkfifo)
    yield "a link of leftovers", "run", made(".model.safetensors.tmp", link_to_secret)
    yield "checkpoints that lie elsewhere", "run", _checkpoints_elsewhere
    if os.geteuid() == 0 and _may_make_devices():
        yield "a device as model.safetensors", "folder", made("model.safetensors", _device)


def _device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


def _may_make_devices() -> bool:
    path = Path(f"/dev/shm/device.{os.getpid()}")
    try:
        _device(path)
        path.unlink()
    except OSError:
        return False
    return True


def _checkpoints_elsewhere(folder: Path, _: Path) -> None:
    (folder / "checkpoints").rename(folder.parent / "elsewhere")
    (folder / "checkpoints").symlink_to("../elsewhere")


def _names() -> Iterator[tuple[str, str, Attack]]:
    """Manifests that name other files, which nobody looks for; and those that are none."""
    for what, name in NAMES.items():
        entry = {"bytes": len("the words of a secret file"), "sha256": "0" * 64}
        yield f"a manifest that names {what}", "sealed", _named(name, entry)
    for value in ('"../../secret"', '"/etc/passwd"', '{"../x": {"bytes": 1, "sha256": ""}}', "[]", "1", "null"):
        text = f'{{"format": 2, "files": {value}, "before": {{}}, "seal": ""}}'
        yield f"a manifest of {value}", "folder", content("manifest.json", text.encode())


def _named(name: str, entry: dict[str, Any]) -> Attack:
    """Add a name to a manifest, whose seal is made to fit."""

    def attack(folder: Path, _: Path) -> None:
        from latentia.durable import MANIFEST, Manifest, read_manifest
        from latentia.durable.manifest import Entry

        files = dict(read_manifest(folder).files)
        (folder / MANIFEST).write_bytes(Manifest({**files, name: Entry(**entry)}).encode())

    return attack


def _another_word(tree: dict[str, Any]) -> None:
    """As many tokens, one of them another."""
    vocabulary = tree["model"]["vocab"]
    vocabulary["swapped"] = vocabulary.pop("c")


def _shifted(tree: dict[str, Any]) -> None:
    """The same tokens by other numbers."""
    vocabulary = tree["model"]["vocab"]
    vocabulary["b"], vocabulary["c"] = vocabulary["c"], vocabulary["b"]


def _one_more(tree: dict[str, Any]) -> None:
    tree["model"]["vocab"]["more"] = len(tree["model"]["vocab"])


def _one_fewer(tree: dict[str, Any]) -> None:
    vocabulary = tree["model"]["vocab"]
    del vocabulary[max(vocabulary, key=vocabulary.__getitem__)]


def _normaliser(tree: dict[str, Any]) -> None:
    tree["normalizer"] = {"type": "Lowercase"}


def _no_specials(tree: dict[str, Any]) -> None:
    vocabulary = tree["model"]["vocab"]
    tree["added_tokens"] = []
    for name in [name for name, number in vocabulary.items() if number in (0, 1)]:
        vocabulary[f"{name}?"] = vocabulary.pop(name)


SWAPS: dict[str, Callable[[Any], None]] = {
    "another word": _another_word,
    "two words exchanged": _shifted,
    "one token more": _one_more,
    "one token fewer": _one_fewer,
    "another normaliser": _normaliser,
    "no special tokens": _no_specials,
}
TOLD_APART = ("one token more", "one token fewer", "no special tokens")
"""Tokenizers that do not fit even where the manifest agrees with them."""


def _tokenizers() -> Iterator[tuple[str, str, Attack]]:
    for what, edit in SWAPS.items():
        for kind in ("sealed", "sealed run"):
            yield f"a tokenizer with {what}, {kind}", kind, edited("tokenizer.json", edit)
    for what in TOLD_APART:
        yield f"a tokenizer with {what}", "folder", edited("tokenizer.json", SWAPS[what])
    yield "a tokenizer of another format", "folder", content("tokenizer.json", b'{"version": "1.0", "model": null}')
    yield "a tokenizer with another vocabulary", "folder", _vocabulary


def _vocabulary(folder: Path, _: Path) -> None:
    path = folder / "tokenizer.json"
    tree = json.loads(path.read_text())
    tree["model"]["vocab"] |= {f"new{n}": len(tree["model"]["vocab"]) + n for n in range(50_000)}
    path.write_text(json.dumps(tree))


def _numbers() -> Iterator[tuple[str, str, Attack]]:
    """Weights that are no numbers, and some that are far from what training gives."""
    for what, value in FOR_NUMBERS.items():
        yield f"a weight of {what}", "folder", poisoned("model.safetensors", value)
        yield f"a weight of {what}, of a run", "run", poisoned("model.safetensors", value)
        for name in ("model", "optimizer"):
            file = f"checkpoints/newest/{name}.safetensors"
            yield f"a poisoned number {what} in the {name} of a checkpoint", "run", poisoned(file, value)
        yield f"a weight of {what}, served", "served", poisoned("model.safetensors", value)
    for value in (FAR, DENORMAL):
        yield f"weights of {value}", "folder", poisoned("model.safetensors", value, every=True)


def poisoned(file: str, value: float, every: bool = False) -> Attack:
    """Put a number into the last tensor of a file, or in the place of every number of it."""

    def attack(folder: Path, _: Path) -> None:
        path = place(folder, file)
        tensors = load_file(path)
        numbers = {
            name: tensor for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.numel() > 1
        }
        for name, tensor in numbers.items() if every else [max(numbers.items(), key=lambda item: item[0])]:
            tensors[name] = torch.full_like(tensor, value) if every else _with_first(tensor, value)
        save_file(tensors, path)

    return attack


def _with_first(tensor: torch.Tensor, value: float) -> torch.Tensor:
    changed = tensor.clone()
    changed.view(-1)[0] = value
    return changed
