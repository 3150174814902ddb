"""Weights of a model as a safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from latentia.durable import LONGEST, replace_vouched, vouched
from latentia.errors import RunError, StorageError, is_of_memory

WEIGHTS = "model.safetensors"

FLOATS = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
"""Types of numbers that are taken for one another."""

LONGEST_HEADER = 2**21
"""Bytes of the header of a file, which has about a hundred for a tensor; a hundred thousand tensors take seconds."""

LARGEST = 1e12
"""Size of a weight beyond which few products are finite; what is trained here stays below a thousand."""

_LONGEST_NUMBER = 8
"""Bytes of a float64, the longest that a file of weights may hold."""

_RESTORE = "restore the file, or train again"
_ROOM = "end other programs, or take a machine with more memory"


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers by name, a shared table once."""
    seen: set[int] = set()
    unique = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen or tensor.numel() == 0:
            unique[name] = tensor.detach().cpu().contiguous()
        seen.add(tensor.data_ptr())
    return unique


def longest(tensors: Mapping[str, Tensor]) -> int:
    """Return a bound on the bytes of a file of tensors of these shapes, of whatever type of number."""
    return LONGEST_HEADER + _LONGEST_NUMBER * sum(tensor.numel() for tensor in tensors.values())


def load_tensors(model: nn.Module, tensors: dict[str, Tensor], origin: Path) -> None:
    """Copy weights into a model.

    Raises:
        RunError: If a tensor is missing, left over, of another shape or kind, or not finite or far too large where
            the model takes it.
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
    model.load_state_dict({name: _as_held(tensors[name], own[name], f"{origin}", name) for name in own}, strict=False)


def _as_held(tensor: Tensor, own: Tensor, origin: str, name: str) -> Tensor:
    """Return a tensor in the type that the model has for it; a large number of a wider type may be infinite there."""
    if tensor.dtype != own.dtype and not {tensor.dtype, own.dtype} <= FLOATS:
        raise RunError(f"{origin} holds {tensor.dtype} at {name}, where its recipe has {own.dtype}", _RESTORE)
    held = tensor.to(own.dtype)
    if not bool(torch.isfinite(held).all()):
        raise RunError(f"{origin} is not finite at {name}", _RESTORE)
    if is_too_large(held):
        raise RunError(f"{origin} holds a number beyond {LARGEST:.0e} at {name}", _RESTORE)
    return held


def read_tensors(path: Path, most: int = LONGEST) -> dict[str, Tensor]:
    """Read a safetensors file of at most so many bytes, which must be what a manifest beside it says.

    Raises:
        RunError: If it is missing, too long, altered or not whole.
    """
    return parse_tensors(vouched(path.parent, path.name, most), path)


def is_too_large(tensor: Tensor) -> bool:
    """Tell whether a number is so large that weights with it are not opened."""
    return tensor.is_floating_point() and tensor.numel() > 0 and tensor.abs().max().item() > LARGEST


def parse_tensors(content: bytes, origin: Path) -> dict[str, Tensor]:
    """Read the content of a safetensors file.

    Raises:
        RunError: If it is not whole, or its header is longer than any that is written here.
        StorageError: If the memory does not take it: the file may be whole.
    """
    if int.from_bytes(content[:8], "little") > LONGEST_HEADER:
        raise RunError(f"{origin} has a header of more than {LONGEST_HEADER:,} bytes", "restore the file")
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError, AssertionError, RuntimeError, MemoryError) as error:
        if is_of_memory(error):
            raise StorageError(f"{origin} cannot be read (the memory does not take it)", _ROOM) from None
        raise RunError(f"{origin} cannot be read ({error})", _RESTORE) from None


def save_weights(model: nn.Module, folder: Path) -> None:
    """Write the weights that everyone else opens, in a folder with or without a manifest.

    Raises:
        StorageError: If the disk does not take them.
    """
    replace_vouched(folder, WEIGHTS, save(tensors_of(model)))
