"""Checkpoints: written beside the old one, verified by their manifest, never pickled."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from latentia.errors import RunError

FILES = ("model.safetensors", "optimizer.safetensors", "state.json")
KEPT = 2
"""Checkpoints kept, so that the one before survives a fault in the last."""


@dataclass
class Progress:
    """Where a run stands. With the seed this is all the state that randomness has.

    Attributes:
        step: Optimiser steps done.
        epoch: Epoch of the next step.
        position: Batches of that epoch already done.
        best: Best value of the validation metric; infinite before the first.
        best_step: The step it was seen at.
        waited: Validations since.
        finished: True once training stopped of itself.
        memory: What the plan of the steps remembers.
        seconds: Spent training in that epoch, over all sittings.
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    best: float = float("inf")
    best_step: int = 0
    waited: int = 0
    finished: bool = False
    memory: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, also after a power cut."""
    temporary = path.with_name(f".{path.name}.tmp")
    _write_through(temporary, content)
    os.replace(temporary, path)
    _sync_folder(path.parent)


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers by name, a shared table once."""
    seen: set[int] = set()
    unique = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen or tensor.numel() == 0:
            unique[name] = tensor.detach().cpu().contiguous()
        seen.add(tensor.data_ptr())
    return unique


def load_tensors(model: nn.Module, tensors: dict[str, Tensor], origin: Path) -> None:
    """Copy weights into a model.

    Raises:
        RunError: If a tensor is missing, left over, of another shape or not finite.
    """
    own = tensors_of(model)
    wrong = sorted(
        own.keys() ^ tensors.keys()
        | {name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape}
    )
    if wrong:
        raise RunError(
            f"{origin} does not fit its recipe at {wrong[0]}", "restore recipe.yaml and weights of the same run"
        )
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise RunError(f"{origin} is not finite at {name}", "restore the file, or train again")
    model.load_state_dict(tensors, strict=False)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        RunError: If it is missing or not whole.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} cannot be read ({error})", "restore the file, or train again") from None


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights of a model atomically."""
    write_atomically(path, save(tensors_of(model)))


class Checkpoints:
    """The checkpoints of a run folder, ``checkpoints/step-00001000`` and so on."""

    def __init__(self, folder: Path) -> None:
        """Name the folder."""
        self.folder = folder / "checkpoints"

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Write one checkpoint, commit it by a rename, and then remove all but the last two."""
        target = self.folder / f"step-{progress.step:08d}"
        if target.exists():
            return
        temporary = self.folder / f".{target.name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        names, scalars = _optimizer_state(optimizer)
        state = _json({"progress": asdict(progress), "optimizer": scalars})
        contents = (save(tensors_of(model)), save(names), state)
        _fill(temporary, dict(zip(FILES, contents, strict=True)))
        temporary.rename(target)
        _sync_folder(self.folder)
        self._prune()

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """Load the newest checkpoint whose manifest holds; one that does not is renamed ``.corrupt``.

        Raises:
            RunError: If there is none.
        """
        for folder in sorted(self.folder.glob("step-????????"), reverse=True):
            if _verified(folder):
                return self._load(folder, model, optimizer)
            folder.rename(folder.with_name(f"{folder.name}.corrupt"))
        raise RunError(f"{self.folder} holds no whole checkpoint", "train again without --resume, into a new folder")

    def newest(self) -> Progress:
        """Tell where the newest whole checkpoint stands; at the start where there is none."""
        whole = (folder for folder in sorted(self.folder.glob("step-????????"), reverse=True) if _verified(folder))
        newest = next(whole, None)
        return Progress() if newest is None else _progress_in(newest)

    def _load(self, folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        state = json.loads((folder / "state.json").read_text())
        load_tensors(model, read_tensors(folder / "model.safetensors"), folder / "model.safetensors")
        _restore_optimizer(optimizer, read_tensors(folder / "optimizer.safetensors"), state["optimizer"])
        return _progress_in(folder)

    def _prune(self) -> None:
        for old in sorted(self.folder.glob("step-????????"))[:-KEPT]:
            shutil.rmtree(old)


def _progress_in(folder: Path) -> Progress:
    return Progress(**json.loads((folder / "state.json").read_text())["progress"])


def _optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], list[str]]:
    """Flatten the optimiser's tensors to ``index.name``; settings are the recipe's and are not stored."""
    state = optimizer.state_dict()["state"]
    tensors = {
        f"{index}.{name}": value.contiguous()
        for index, entry in state.items()
        for name, value in entry.items()
        if torch.is_tensor(value)
    }
    return tensors, sorted(tensors)


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], names: list[str]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name in names:
        index, entry = name.split(".", 1)
        state.setdefault(int(index), {})[entry] = tensors[name]
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _fill(folder: Path, files: dict[str, bytes]) -> None:
    """Write and sync files and, last, the manifest that vouches for them."""
    for name, content in files.items():
        _write_through(folder / name, content)
    manifest = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()
    }
    _write_through(folder / "manifest.json", _json(manifest))
    _sync_folder(folder)


def _verified(folder: Path) -> bool:
    """Tell whether every file is the one that the manifest names."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        return all(
            hashlib.sha256((folder / name).read_bytes()).hexdigest() == manifest[name]["sha256"] for name in FILES
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _json(content: object) -> bytes:
    return json.dumps(content, indent=1).encode()


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
