"""Room for the files of a run, asked for before it is trained."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from latentia.durable import require_room, size_of
from latentia.training.checkpoint import KEPT, Checkpoints
from latentia.training.weights import WEIGHTS, tensors_of


def require_room_to_train(folder: Path, model: nn.Module, remembered: int) -> None:
    """Refuse to train where best weights and checkpoints do not fit.

    A new checkpoint is written before the oldest is removed, so that they take ``w + (KEPT + 1) (w + m)`` bytes, ``w``
    of the weights and ``m`` of the moments; what there is of them already takes no more.

    Args:
        folder: The run folder.
        model: The model.
        remembered: Numbers that the optimiser remembers for each weight.

    Raises:
        StorageError: If the file system says that there is less room.
    """
    weights = sum(tensor.nbytes for tensor in tensors_of(model).values())
    moments = remembered * sum(weight.nbytes for weight in model.parameters())
    whole = weights + (KEPT + 1) * (weights + moments)
    there = size_of(folder / WEIGHTS) + Checkpoints(folder).size()
    require_room(folder, whole - there, f"training {weights:,} bytes of weights, with its checkpoints,")
