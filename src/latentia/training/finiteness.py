"""No step is taken from a loss or a gradient that is not finite, and the batch that caused it is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from latentia.data.corpus import Corpus
from latentia.durable import make_folder, write_atomically
from latentia.errors import NumericalError
from latentia.records import Batch
from latentia.training.weights import LARGEST, is_too_large, tensors_of

DIVERGED = "lower training.optimizer.learning_rate or training.clip_norm; what was saved before is intact"
EVIDENCE = "diverged"
"""Folder of the batches at which a loss or a gradient was not finite."""

UNREAD = 50
"""Updates after which the numbers of a GPU are read back: each reading stalls its queue."""


def require_finite(model: nn.Module, optimizer: torch.optim.Optimizer, memory: Mapping[str, float], step: int) -> None:
    """Check all numbers that a checkpoint would hold.

    Raises:
        NumericalError: If a weight, a buffer, a moment or what the plan remembers is not finite, or a weight or a
            buffer so large that it would not be opened.
    """
    for name, value in _numbers(model, optimizer, memory):
        if not (bool(torch.isfinite(value).all()) if torch.is_tensor(value) else math.isfinite(value)):
            raise NumericalError(f"{name} is not finite after step {step}", DIVERGED)
    for name, tensor in tensors_of(model).items():
        if is_too_large(tensor):
            raise NumericalError(f"{name} is beyond {LARGEST:.0e} after step {step}", DIVERGED)


def _numbers(
    model: nn.Module, optimizer: torch.optim.Optimizer, memory: Mapping[str, float]
) -> Iterator[tuple[str, Tensor | float]]:
    yield from model.state_dict().items()
    for name, weight in model.named_parameters():
        yield from ((f"{entry} of {name}", value) for entry, value in optimizer.state.get(weight, {}).items())
    yield from ((f"the plan's {name}", value) for name, value in memory.items())


class Guard:
    """Looks at loss and gradient norm of each update.

    On a processor before the update. On a GPU later, in one reading for many updates; until then the optimiser itself
    passes over an update that is not finite, as it does in scaled half precision.

    Args:
        folder: The run folder.
        later: Whether to look later.
    """

    def __init__(self, folder: Path, later: bool) -> None:
        """Nothing was seen yet."""
        self.folder, self.later = folder, later
        self.unread: list[tuple[int, Tensor, Tensor, Batch]] = []

    def before(
        self, optimizer: torch.optim.Optimizer, update: tuple[int, Tensor, Tensor, Batch], corpus: Corpus
    ) -> None:
        """Take step, loss, gradient norm and batch of an update that is about to be made.

        Raises:
            NumericalError: If it, or one that was passed over, is not finite.
        """
        self.unread.append(update)
        if self.later:
            _, loss, norm, _ = update
            optimizer.found_inf = (~torch.isfinite(loss + norm)).float()  # type: ignore[attr-defined]
        if not self.later or len(self.unread) >= UNREAD:
            self.look(corpus)

    def look(self, corpus: Corpus) -> None:
        """Read back what was not read yet.

        Raises:
            NumericalError: If an update was not finite.
        """
        unread, self.unread = self.unread, []
        finite = torch.stack([loss + norm for _, loss, norm, _ in unread]).isfinite().tolist() if unread else []
        for fine, (step, loss, norm, batch) in zip(finite, unread, strict=True):
            if not fine:
                path = self._keep(corpus, batch, step, loss.item(), norm.item())
                raise NumericalError(
                    f"step {step} has loss {loss.item()} and gradient norm {norm.item()}; its batch is in {path}",
                    DIVERGED,
                )

    def _keep(self, corpus: Corpus, batch: Batch, step: int, loss: float, norm: float) -> Path:
        """Write the sequences of a batch, for whoever looks for the cause."""
        rows = batch.index.cpu().numpy()
        path = self.folder / EVIDENCE / f"step-{step:08d}.json"
        make_folder(path.parent)
        found = {"step": step, "loss": str(loss), "gradient_norm": str(norm)}
        content = {**found, "rows": rows.tolist(), "texts": corpus.texts(rows)}
        write_atomically(path, json.dumps(content, indent=1).encode())
        return path
