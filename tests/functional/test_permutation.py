"""Random orders."""

from __future__ import annotations

import torch

from latentia.functional.permutation import derangement


def test_no_place_is_its_own():
    for count in (2, 3, 50):
        places = derangement(count)
        assert not (places == torch.arange(count)).any()
        assert places.sort().values.equal(torch.arange(count))
