"""A demo that a signal ends says so by its exit code, whatever it was doing."""

from __future__ import annotations

import os
import signal

import pytest
import typer

from latentia.cli.demo import demo
from latentia.errors import StorageError
from latentia.recipes import demonstration
from latentia.training.loop import Trainer

CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


def ended(folder) -> int:
    with pytest.raises(typer.Exit) as told:
        demo("grammar", folder, 1)
    return told.value.exit_code


@pytest.mark.parametrize(("number", "code"), CODES)
def test_before_training_nothing_is_left(tmp_path, monkeypatch, number, code):
    monkeypatch.setattr(demonstration, "_write", lambda *_: os.kill(os.getpid(), number))
    assert ended(tmp_path / "run") == code
    assert not list(tmp_path.iterdir())


def test_a_folder_that_may_not_be_written_is_refused_before_anything_is(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(os, "access", lambda place, _: place != tmp_path / "run")
    with pytest.raises(StorageError, match=r"run cannot be written .*: name a folder that may be written"):
        demo("grammar", tmp_path / "run", 1)
    assert [path.name for path in tmp_path.rglob("*")] == ["run"]


def test_in_training_it_saves(tmp_path, monkeypatch, capsys):
    original = Trainer._step

    def step_and_stop(self: Trainer, *arguments: object) -> None:
        original(self, *arguments)
        if self.progress.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Trainer, "_step", step_and_stop)
    assert ended(tmp_path / "run") == 143
    assert (tmp_path / "run" / "checkpoints" / "step-00000002").is_dir()
    assert "train --resume" in capsys.readouterr().err
