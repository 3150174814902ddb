"""Training asks for room before it begins, and takes no answer for a refusal that is none."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from latentia.errors import StorageError
from latentia.training import SGD, AdamW, ConstantRate
from latentia.training.checkpoint import Checkpoints, Progress
from latentia.training.room import require_room_to_train
from latentia.training.weights import save_weights

WEIGHTS = 4 * 1010
NEEDED = WEIGHTS + 3 * 3 * WEIGHTS


def disk(monkeypatch: pytest.MonkeyPatch, free: int, blocks: int = 10**9, kept: int = 0) -> None:
    """Let the file system say that so many bytes are free, of which some are the superuser's."""
    told = SimpleNamespace(f_frsize=1, f_blocks=blocks, f_bfree=free, f_bavail=free - kept)
    monkeypatch.setattr(os, "statvfs", lambda _: told)


@pytest.fixture
def model() -> nn.Module:
    return nn.Linear(100, 10)


def saved(folder: Path, model: nn.Module) -> None:
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 100)).sum().backward()
    optimizer.step()
    save_weights(model, folder)
    for step in (1, 2):
        Checkpoints(folder).save(model, optimizer, Progress(step=step))


def test_less_than_best_weights_and_checkpoints_take_is_refused(tmp_path, monkeypatch, model):
    disk(monkeypatch, NEEDED)
    require_room_to_train(tmp_path, model, 2)
    disk(monkeypatch, NEEDED - 1)
    with pytest.raises(StorageError, match=rf"{NEEDED - 1:,} bytes free.* {NEEDED:,} more: make room") as raised:
        require_room_to_train(tmp_path, model, 2)
    assert raised.value.exit_code == 74


def test_what_is_there_and_will_be_replaced_takes_no_more(tmp_path, monkeypatch, model):
    saved(tmp_path, model)
    disk(monkeypatch, 3 * WEIGHTS)
    require_room_to_train(tmp_path, model, 2)
    disk(monkeypatch, 2 * WEIGHTS)
    with pytest.raises(StorageError, match="make room"):
        require_room_to_train(tmp_path, model, 2)


@pytest.mark.parametrize("optimizer", [AdamW(ConstantRate()), SGD(ConstantRate()), SGD(ConstantRate(), momentum=0.9)])
def test_an_optimiser_remembers_what_it_says(model, optimizer):
    built = optimizer.build([{"params": list(model.parameters())}])
    model(torch.ones(1, 100)).sum().backward()
    built.step()
    kept = [value for entry in built.state.values() for value in entry.values() if value is not None and value.dim()]
    assert sum(value.numel() for value in kept) == optimizer.remembered * 1010


def test_a_file_system_that_does_not_tell_refuses_nothing(tmp_path, monkeypatch, model):
    disk(monkeypatch, 0, blocks=0)
    require_room_to_train(tmp_path, model, 2)

    def fails(_: Path) -> None:
        raise OSError

    monkeypatch.setattr(os, "statvfs", fails)
    require_room_to_train(tmp_path, model, 2)


def test_what_is_kept_for_the_superuser_is_that_user_s(tmp_path, monkeypatch, model):
    disk(monkeypatch, NEEDED, kept=1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    require_room_to_train(tmp_path, model, 2)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(StorageError, match="make room"):
        require_room_to_train(tmp_path, model, 2)
