"""The training loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from latentia.recipes import load_recipe
from latentia.training.loop import Trainer


def trained_in(precision: str, folder: Path) -> torch.dtype:
    """Return the type in which a trainer of a recipe multiplies."""
    recipe = load_recipe("vae").with_settings([("training.precision", precision)])
    trainer = Trainer(nn.Linear(2, 2), recipe.objective(), recipe.training(), folder, 1)
    with trainer.accelerator.autocast():
        return (torch.zeros(1, 2) @ torch.zeros(2, 2)).dtype


@pytest.mark.parametrize("order", [("float32", "bfloat16"), ("bfloat16", "float32")])
def test_runs_of_one_process_each_have_their_own_precision(tmp_path, order):
    assert [str(trained_in(precision, tmp_path)) for precision in order] == [f"torch.{name}" for name in order]
