"""Weights of a file are taken as numbers of the model's type, and refused as anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import nn

from latentia.errors import RunError
from latentia.training.weights import load_tensors, parse_tensors

ORIGIN = Path("model.safetensors")


def loaded(weight: torch.Tensor) -> torch.Tensor:
    model = nn.Linear(2, 1, bias=False)
    load_tensors(model, parse_tensors(save({"weight": weight}), ORIGIN), ORIGIN)
    return model.weight.detach()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_numbers_of_other_widths_are_taken(kind):
    assert loaded(torch.tensor([[0.5, -2.0]], dtype=kind)).tolist() == [[0.5, -2.0]]


@pytest.mark.parametrize(
    "kind", [torch.float8_e4m3fn, torch.float8_e5m2, torch.bool, torch.complex64, torch.int64, torch.uint8]
)
def test_what_is_no_number_of_the_model_is_refused(kind):
    with pytest.raises(RunError, match=r"holds torch\.\w+ at weight, where its recipe has torch\.float32"):
        loaded(torch.zeros(1, 2).to(kind))


@pytest.mark.parametrize("value", [1e38, -1e20, 1.1e12])
def test_what_no_product_would_hold_is_refused(value):
    with pytest.raises(RunError, match=r"holds a number beyond 1e\+12 at weight"):
        loaded(torch.tensor([[0.0, value]]))


@pytest.mark.parametrize("value", [1e-40, 1e6])
def test_small_and_large_numbers_are_numbers(value):
    assert loaded(torch.tensor([[0.0, value]])).tolist() == [[0.0, pytest.approx(value)]]


@pytest.mark.parametrize("value", [1e300, -1e39, float("nan"), float("inf")])
def test_what_is_infinite_once_it_is_held_is_refused(value):
    with pytest.raises(RunError, match="is not finite at weight"):
        loaded(torch.tensor([[0.0, value]], dtype=torch.float64))
