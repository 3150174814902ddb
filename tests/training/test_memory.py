"""Memory that training no longer uses goes back to the system."""

import ctypes
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

from latentia.data import Columns
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.runs import start_run
from latentia.training import loop
from latentia.training.memory import give_back_free_memory
from tests.training.test_alarm import SMALL

HAS_TRIM = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")
MANY, SMALL_BLOCK = 3000, 16_000
"""Tensors of 64 kB, below what glibc maps one by one: 192 MB."""


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not HAS_TRIM, reason="the C library has no malloc_trim")
def test_holes_of_the_heap_go_back_to_the_system():
    blocks = [torch.ones(SMALL_BLOCK) for _ in range(MANY)]
    kept = [blocks[place] for place in range(MANY - 1, 0, -500)]
    del blocks
    before = resident()
    give_back_free_memory()
    assert before - resident() > 100e6
    assert len(kept) == 6


def test_training_gives_back_at_each_record(tmp_path, monkeypatch):
    (tmp_path / "texts.txt").write_text("".join(f"a b c d{n % 5} e{n % 7}\n" for n in range(60)))
    given = []
    monkeypatch.setattr(loop, "LOG_EVERY", 10)
    monkeypatch.setattr(loop, "give_back_free_memory", lambda: given.append(1))
    recipe = load_recipe("vae").with_settings([*SMALL, ("training.max_steps", 40), ("training.epochs", 9)])
    start_run(Sources([str(tmp_path / "texts.txt")], [], Columns()), recipe, tmp_path / "run", 1, Console(quiet=True))
    assert len(given) == 4


def test_where_there_is_no_such_call_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", None)
    give_back_free_memory()
