"""Checkpoints: written beside the old ones, vouched for by a manifest, never pickled."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from latentia.durable import (
    LONGEST,
    MANIFEST,
    SMALL,
    Manifest,
    beside,
    commit_folder,
    entry_of,
    make_folder,
    names_in,
    read_bounded,
    read_manifest,
    size_of,
    stored,
    sweep,
    vouched,
    write_new,
)
from latentia.errors import RunError, StorageError
from latentia.training.weights import FLOATS, WEIGHTS, load_tensors, read_tensors, tensors_of

MOMENTS, STATE = "optimizer.safetensors", "state.json"
LAST_STEP = 2**48
KEPT = 2
"""Checkpoints kept, so that the one before survives a fault in the last."""

BINDING = ("recipe.yaml", "run.json", "tokenizer.json")
"""Files of the run that its checkpoints belong to."""

_LOOKS = 8
_PARTS = 3
"""Numbers for each weight that an optimiser may remember: Adam has two, and a count for each tensor."""
_DIGITS = 10
_ENTRIES = frozenset({"step", "exp_avg", "exp_avg_sq"})

_NAME = re.compile(r"step-(\d{8,})(-unvalidated)?")


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
        due: True if the run was stopped before the validation that follows this step.
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
    due: bool = False
    memory: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


class Checkpoints:
    """The checkpoints of a run folder, ``checkpoints/step-00001000`` and so on.

    Args:
        folder: The run folder.
        most: Bytes that a file of the model's weights can have; a longer one is not read.

    Attributes:
        damage: What was wrong with the checkpoints that were not whole.
    """

    def __init__(self, folder: Path, most: int = LONGEST) -> None:
        """Name the folder."""
        self.run, self.folder = folder, folder / "checkpoints"
        self.most = {WEIGHTS: most, MOMENTS: _PARTS * most}
        self.damage: list[str] = []

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Write one checkpoint, commit it by a rename, and then remove all but the last two of this run.

        Raises:
            StorageError: If the disk does not take it; those before are whole.
        """
        target = self.folder / f"step-{progress.step:08d}{'-unvalidated' if progress.due else ''}"
        with stored(target):
            standing = target.exists()
        if standing and self._is_whole(target):
            return
        temporary = beside(target)
        make_folder(temporary)
        state = _json({"run": self._identity(), "progress": asdict(progress)})
        contents = {WEIGHTS: save(tensors_of(model)), MOMENTS: save(_moments_of(optimizer)), STATE: state}
        try:
            _fill(temporary, contents)
            commit_folder(temporary, target)
        finally:
            self._prune()

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress | None:
        """Load the newest checkpoint that is whole; one that is not is renamed ``.corrupt``.

        Returns:
            Where it stands; ``None`` if none was ever written.

        Raises:
            RunError: If there are some and none is whole.
            StorageError: If the system does not give one back, or the memory does not take it: it may be whole.
        """
        found = self._found()
        for folder in found:
            try:
                contents, progress = self._contents(folder)
            except RunError as error:
                self._set_aside(folder, error)
                continue
            except StorageError as error:
                then = "goes on from the one before it" if folder != found[-1] else "begins again"
                raise with_a_way_on(error, folder, f"the run {then}, to the same end") from None
            load_tensors(model, contents[WEIGHTS], folder / WEIGHTS)
            _restore_moments(optimizer, contents[MOMENTS], folder / MOMENTS)
            return progress
        if any(".corrupt" in name for name in names_in(self.folder)):
            raise RunError(f"{self.folder} holds no whole checkpoint", "train again without --resume, in a new folder")
        return None

    def newest(self) -> Progress:
        """Tell where the newest whole checkpoint stands; at the start where there is none."""
        found = self._found()
        for _ in range(_LOOKS):
            for folder in found:
                try:
                    return self._contents(folder)[1]
                except RunError:
                    continue
            # Whoever trains there may have removed those that were found, for newer ones.
            before, found = found, self._found()
            if found == before:
                break
        return Progress()

    def size(self) -> int:
        """Return the bytes of the checkpoints that there are."""
        return sum(size_of(folder / name) for folder in self._found() for name in (WEIGHTS, MOMENTS, STATE, MANIFEST))

    def _found(self) -> list[Path]:
        """Folders named as checkpoints, the newest first; a validated one is newer than one that waits for it."""
        named = [(_NAME.fullmatch(name), self.folder / name) for name in names_in(self.folder)]
        ranked = [(int(match[1]), not match[2], path) for match, path in named if match]
        return [path for _, _, path in sorted(ranked, reverse=True)]

    def _contents(self, folder: Path) -> tuple[dict[str, dict[str, Tensor]], Progress]:
        """Read and check everything in a checkpoint."""
        if read_manifest(folder) is None:
            raise RunError(f"{folder / MANIFEST} does not exist", "use the checkpoint before")
        progress = self._progress(folder / STATE, vouched(folder, STATE, SMALL))
        return {name: read_tensors(folder / name, most) for name, most in self.most.items()}, progress

    def _progress(self, path: Path, content: bytes) -> Progress:
        try:
            state = json.loads(content)
            own, progress = state.get("run", ""), Progress(**state["progress"])
            _require_possible(progress)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            raise RunError(f"{path} is not the state of a run", "use the checkpoint before") from None
        if own and own != self._identity():
            raise RunError(f"{path} is of another run", "use the checkpoint before")
        return progress

    def _identity(self) -> str:
        """Return what tells this run's checkpoints from another's; empty where the run has no manifest."""
        manifest = read_manifest(self.run)
        known = {name: manifest.files[name].sha256 for name in BINDING if name in manifest.files} if manifest else {}
        return entry_of(_json(known)).sha256 if known else ""

    def _is_whole(self, folder: Path) -> bool:
        """Tell whether a checkpoint is whole and of this run; one that is not is set aside."""
        try:
            self._contents(folder)
        except RunError as error:
            self._set_aside(folder, error)
            return False
        return True

    def _is_own(self, folder: Path) -> bool:
        """Tell whether a checkpoint is known to be of this run; no other is removed, or counts as kept."""
        try:
            self._progress(folder / STATE, read_bounded(folder / STATE))
        except (RunError, StorageError):
            return False
        return True

    def _set_aside(self, folder: Path, error: RunError) -> None:
        self.damage.append(error.message)
        with stored(folder):
            os.rename(folder, folder.with_name(f"{folder.name}.corrupt-{secrets.token_hex(4)}"))

    def _prune(self) -> None:
        """Remove the old ones; under their names they are whole or gone."""
        own = [folder for folder in self._found() if self._is_own(folder)]
        for old in own[KEPT:]:
            with stored(old):
                os.rename(old, beside(old))
        sweep(self.folder)


def with_a_way_on(error: StorageError, path: Path, then: str) -> StorageError:
    """Say how to go on without what is not given back; whether it is lost, only its owner knows."""
    way = f"rename {path} to {path.name}.unreadable, and {then}"
    return StorageError(error.message, f"{error.remedy}; or {way}")


def _require_possible(progress: Progress) -> None:
    """Check what a file says of a run.

    Raises:
        ValueError: If no run can stand there.
        TypeError: If something is of another type.
        OverflowError: If a number is larger than any here.
    """
    after = (progress.epoch, progress.position, progress.best_step, progress.waited)
    if any(type(count) is not int for count in (progress.step, *after)) or not 0 <= progress.step <= LAST_STEP:
        raise ValueError(progress.step)
    if not all(0 <= count <= progress.step for count in after):
        raise ValueError(after)
    if type(progress.finished) is not bool or type(progress.due) is not bool or type(progress.memory) is not dict:
        raise TypeError(progress)
    if any(math.isnan(value) for value in (progress.best, progress.seconds, *progress.memory.values())):
        raise ValueError(progress)
    if not 0.0 <= progress.seconds < math.inf:
        raise ValueError(progress.seconds)


def _fill(folder: Path, contents: dict[str, bytes]) -> None:
    """Write and sync files and, last, the manifest that vouches for them."""
    entries = {name: write_new(folder / name, content) for name, content in contents.items()}
    write_new(folder / MANIFEST, Manifest(entries).encode())


def _moments_of(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Flatten the optimiser's tensors to ``index.name``; settings are the recipe's and are not stored."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value.contiguous()
        for index, entry in state.items()
        for name, value in entry.items()
        if torch.is_tensor(value)
    }


def _restore_moments(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], origin: Path) -> None:
    shapes = [weight.shape for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name in sorted(tensors):
        index, _, entry = name.partition(".")
        known = index.isdecimal() and len(index) < _DIGITS and int(index) < len(shapes)
        if not known or tensors[name].dtype not in FLOATS or tensors[name].shape not in ((), shapes[int(index)]):
            raise RunError(f"{origin} does not fit the recipe at {name}", "restore the files of the same run")
        if not bool(torch.isfinite(tensors[name]).all()):
            raise RunError(f"{origin} is not finite at {name}", "restore the files of the same run")
        state.setdefault(int(index), {})[entry] = tensors[name]
    wanted = _ENTRIES if isinstance(optimizer, torch.optim.AdamW) else frozenset[str]()
    if lacking := [index for index, entries in state.items() if not wanted <= entries.keys()]:
        raise RunError(f"{origin} lacks moments of weight {lacking[0]}", "restore the files of the same run")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _json(content: object) -> bytes:
    return json.dumps(content, indent=1).encode()
