"""Who watches a run: the metrics file, TensorBoard, the progress bar."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from latentia.durable import append_line, is_file, read_bounded, write_atomically
from latentia.training.board import Board
from latentia.training.checkpoint import Progress as RunProgress

LONGEST_RECORDS = 2**28
"""Bytes of a file of records, which has some three hundred for a record."""


class Metrics:
    """Appends one JSON object a record to ``metrics.jsonl`` and the same numbers to TensorBoard.

    Raises:
        StorageError: If the disk does not take ``metrics.jsonl``, which reports and diagnoses read.
    """

    def __init__(
        self, folder: Path, from_step: int, due: bool = False, tell: Callable[[str], None] = warnings.warn
    ) -> None:
        """Open both; records that come again are dropped: those of later steps, and of a validation that is due."""
        self.path = folder / "metrics.jsonl"
        kept = [line for line in _lines(self.path) if _is_until(line, from_step, due)]
        write_atomically(self.path, "".join(f"{line}\n" for line in kept).encode())
        self.board = Board(folder, from_step, tell)

    def write(self, split: str, record: dict[str, float]) -> None:
        """Write a record of ``train``, ``validation`` or ``leap``."""
        # The checkpoint that follows a validation says that it was done; then its record must be there too.
        append_line(self.path, json.dumps({"split": split, **record}), durable=split == "validation")
        self.board.write(split, record)


class Watch:
    """The observer of a run at a terminal: a bar on a terminal, a line a validation elsewhere.

    Args:
        folder: The run folder.
        console: Where to show.
        total: Steps of the whole run.
        progress: Where the run stands.
    """

    def __init__(self, folder: Path, console: Console, total: int, progress: RunProgress) -> None:
        """Set up the bar."""
        self.console = console
        self.metrics = Metrics(folder, progress.step, progress.due, self._say)
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[terms]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("train", total=total, completed=progress.step, epoch=progress.epoch, terms="")
        self.active_units, self.collapsed = "", False

    def __enter__(self) -> Watch:
        """Show the bar."""
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away, whatever happened."""
        self.bar.stop()

    def advance(self, progress: RunProgress) -> None:
        """Move the bar."""
        self.bar.update(self.task, completed=progress.step, epoch=progress.epoch)

    def step(self, record: dict[str, float]) -> None:
        """Show and write a training record."""
        self.metrics.write("train", record)
        speed, reconstruction, kl = (record[name] for name in ("tokens_per_second", "reconstruction", "kl"))
        shown = f"{speed:,.0f} tokens/s  rec {reconstruction:.1f}  KL {kl:.2f}"
        self.bar.update(self.task, terms=shown + self.active_units)

    def validation(self, record: dict[str, float]) -> None:
        """Print and write a validation record."""
        self.metrics.write("validation", record)
        self.active_units = f"  AU {record['active_units']:.0f}"
        self.collapsed = record["active_units"] == 0
        best = "  best" if record["best_step"] == record["step"] else ""
        self.console.print(
            f"step {record['step']:>7,.0f}  validation  negative ELBO {_number(record['negative_elbo'], 8)}  "
            f"reconstruction {_number(record['reconstruction'], 8)}  KL {_number(record['kl'], 7)}  "
            f"active units {record['active_units']:3.0f}{best}",
            highlight=False,
        )

    def leap(self, record: dict[str, float]) -> None:
        """Print and write that the KL leaps."""
        self.metrics.write("leap", record)
        self._say(
            f"step {record['step']:>7,.0f}  the KL leaps to {_number(record['kl'], 0)} nats a sequence, "
            f"from {_number(record['median'], 0)}: if it stays there, train anew with a lower "
            "training.optimizer.learning_rate or training.clip_norm; the last checkpoints are from before or soon after"
        )

    def _say(self, sentence: str) -> None:
        self.console.print(sentence, highlight=False, markup=False)


def _number(value: float, width: int) -> str:
    return f"{value:{width}.3f}" if abs(value) < 1e6 else f"{value:{width}.2e}"


def _lines(path: Path) -> list[str]:
    return read_bounded(path, LONGEST_RECORDS).decode(errors="replace").splitlines() if is_file(path) else []


def _is_until(line: str, step: int, due: bool) -> bool:
    """Tell whether a record is of a step that is done; what is none, as a record torn by a crash, is not."""
    try:
        record = json.loads(line)
        return bool(float(record["step"]) <= step - (due and record.get("split") == "validation"))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return False
