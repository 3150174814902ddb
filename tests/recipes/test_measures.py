"""Measures by name."""

from __future__ import annotations

import pytest

from latentia.errors import LatentiaError
from latentia.recipes.measure import measures_of


@pytest.mark.parametrize(
    ("names", "settings", "told"),
    [
        (["holes"], [], r"no measure 'holes': the nearest is Holes; all: .*, or all"),
        ([], [("draws", 5)], r"--set draws names no measure: .*Holes\.draws=VALUE"),
        ([], [("Holes.draws", -1)], r"Holes: draws is -1: .*greater than or equal to"),
        (["Holes", "CodeUse"], [("Holes.draw", 1)], r"Holes: unknown key draw: the nearest valid key is draws"),
    ],
)
def test_what_is_wrong_with_a_measure_names_it_and_the_nearest(names, settings, told):
    with pytest.raises(LatentiaError, match=told):
        measures_of(names, settings)
