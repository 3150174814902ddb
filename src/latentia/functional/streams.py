"""Random numbers of many streams at once: each is a function of its stream and its place there alone."""

from __future__ import annotations

import torch
from torch import Tensor

GAMMA, FIRST, SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
"""0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9 and 0x94D049BB133111EB as signed integers."""


def integers(streams: Tensor, places: Tensor | int) -> Tensor:
    """Return the integer of 64 bits that stands at a place of each stream, int64.

    Args:
        streams: Any integers, int64.
        places: Counted from 0, one for all or one for each.

    Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014, figure 16 (SplitMix64), whose
    state is the seed plus a multiple of a constant, so that any place is found at once.

    >>> hex(int(integers(torch.tensor([0]), 0)) % 2**64)
    '0xe220a8397b1dcdaf'
    """
    mixed = streams + (torch.as_tensor(places) + 1) * GAMMA
    mixed = (mixed ^ _shifted(mixed, 30)) * FIRST
    mixed = (mixed ^ _shifted(mixed, 27)) * SECOND
    return mixed ^ _shifted(mixed, 31)


def uniforms(streams: Tensor, places: Tensor | int) -> Tensor:
    """Return the number that stands at a place of each stream, of 52 bits, uniform on [0, 1), float64."""
    return _shifted(integers(streams, places), 12).double() * 2.0**-52


def _shifted(bits: Tensor, count: int) -> Tensor:
    """Shift to the right, with zeros from the left."""
    return (bits >> count) & ((1 << (64 - count)) - 1)
