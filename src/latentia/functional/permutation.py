"""Random orders."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor


def derangement(count: int) -> Int[Tensor, " count"]:
    """Return random places such that none of two or more is its own: along a random cycle, each takes the next."""
    order = torch.randperm(count)
    places = torch.empty_like(order)
    places[order] = order.roll(1)
    return places
