"""A record stands in ``metrics.jsonl`` and before TensorBoard; the second is no reason to lose a run."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from latentia.errors import StorageError
from latentia.training.checkpoint import Progress
from latentia.training.observers import Metrics, Watch
from tests.platforms import needs_linux

RECORD = {"step": 7, "epoch": 1, "kl": 2.5, "loss": 1e40}


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read what TensorBoard shows."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(folder / "tensorboard"))
    shown.Reload()
    return {tag: [(each.step, each.value) for each in shown.Scalars(tag)] for tag in shown.Tags()["scalars"]}


def test_tensorboard_shows_the_records_of_all_sittings_once(tmp_path):
    first = Metrics(tmp_path, 0)
    for step in (5, 7):
        first.write("train", {**RECORD, "step": step})
    resumed = Metrics(tmp_path, 5)  # what came after step 5 was not saved
    resumed.write("train", {**RECORD, "kl": 3.5})
    resumed.write("validation", {**RECORD, "step": 8})
    infinite = float("inf")
    assert scalars(tmp_path) == {
        "train/kl": [(5, 2.5), (7, 3.5)],
        "train/loss": [(5, infinite), (7, infinite)],
        "validation/kl": [(8, 2.5)],
        "validation/loss": [(8, infinite)],
    }


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, place: str) -> list[str]:
    """Let a call of the operating system fail wherever a path, or the file of a descriptor, holds a name."""
    original, refused = getattr(os, call), []

    def fails(where: object, *arguments: object, **named: object) -> object:
        path = os.readlink(f"/proc/self/fd/{where}") if isinstance(where, int) else str(where)
        if place in path:
            refused.append(path)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(where, *arguments, **named)

    monkeypatch.setattr(os, call, fails)
    return refused


@needs_linux
@pytest.mark.parametrize(
    ("call", "begun"), [("makedirs", False), ("open", False), ("open", True), ("write", False), ("write", True)]
)
def test_a_disk_that_takes_nothing_for_tensorboard_is_told_once_and_ends_no_run(tmp_path, monkeypatch, call, begun):
    said = Console(file=io.StringIO(), width=1000)
    watch = Watch(tmp_path, said, 9, Progress()) if begun else None
    refused = refuse(monkeypatch, call, "tensorboard")
    watch = watch or Watch(tmp_path, said, 9, Progress())
    for _ in range(3):
        watch.metrics.write("train", RECORD)
    assert len(refused) == 1
    assert said.file.getvalue().count("No space left on device): training goes on without TensorBoard") == 1
    assert [json.loads(line)["kl"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [2.5] * 3


def test_a_file_in_the_place_of_tensorboards_folder_ends_no_run(tmp_path):
    (tmp_path / "tensorboard").write_text("")
    with pytest.warns(UserWarning, match="training goes on without TensorBoard"):
        Metrics(tmp_path, 0).write("train", RECORD)
    assert (tmp_path / "metrics.jsonl").read_text()


@needs_linux
def test_a_disk_that_takes_no_record_is_a_typed_error(tmp_path, monkeypatch):
    metrics = Metrics(tmp_path, 0)
    assert not refuse(monkeypatch, "write", "metrics.jsonl")
    with pytest.raises(StorageError, match="No space left on device") as raised:
        metrics.write("train", RECORD)
    assert raised.value.exit_code == 74
