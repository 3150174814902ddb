"""Changes along paths, against texts whose changes are known."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from unittest.mock import patch

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from latentia.evaluation import Subject
from latentia.evaluation.smoothness import CHORDS, Smoothness, distances, lengths, path_changes, rank_correlation
from tests.laws.tables import SUBJECTS, subject


def plain_edit_distance(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    if not a or not b:
        return len(a) + len(b)
    return min(
        plain_edit_distance(a[1:], b) + 1,
        plain_edit_distance(a, b[1:]) + 1,
        plain_edit_distance(a[1:], b[1:]) + (a[0] != b[0]),
    )


def test_distance_is_that_of_the_recursion():
    random = Random(0)
    for _ in range(30):
        a, b = (tuple(random.choices("abc", k=random.randint(0, 5))) for _ in range(2))
        assert distances(a, [b])[0] == pytest.approx(plain_edit_distance(a, b) / max(len(a), len(b), 1))
        assert distances(a, [b]) == distances(b, [a])


def test_rank_correlation_shares_ranks_among_equal_values():
    random = np.random.default_rng(0)
    for _ in range(20):
        values = random.integers(0, 4, size=9) / 4
        expected = spearmanr(np.arange(9), values).statistic
        assert rank_correlation(torch.from_numpy(values)).item() == pytest.approx(expected, abs=1e-12)
    assert math.isnan(rank_correlation(torch.ones(5)).item())


FROM, TO = list("abcd"), list("xyzw")
EVEN = [[[*TO[:step], *FROM[step:]] for step in range(5)]]
JUMP = [[FROM] * 3 + [TO] * 2]
STILL = [[FROM] * 5]


def test_an_even_path_a_jump_and_no_change():
    results = [path_changes(paths * 2, torch.tensor([2.0, 2.0])) for paths in (EVEN, JUMP, STILL)]
    read = [[result[name]["value"] for result in results] for name in ("change", "change_per_length", "between_ends")]
    assert read == [[0.25, 0.25, 0], [0.5, 0.5, 0], [1, 1, 0]]
    assert [result["unchanged"]["value"] for result in results] == [0, 0.75, 1]
    assert [result["largest"]["value"] for result in results] == [0.25, 1, 0]
    even, jump, still = (result["monotonicity"]["value"] for result in results)
    assert even == pytest.approx(1)
    assert jump == pytest.approx(math.sqrt(3) / 2)
    assert still is None
    assert [result["correlated"] for result in results] == [2, 2, 0]


def test_ends_that_coincide_have_no_length():
    result = path_changes(STILL * 2, torch.zeros(2))
    assert result["change_per_length"] == {"value": None, "standard_error": None}


def test_lengths_are_arcs_on_a_sphere_and_distances_elsewhere():
    share = torch.linspace(0, 1, 10 * CHORDS + 1)
    ends = torch.nn.functional.normalize(torch.randn(2, 3), dim=-1)
    angle = torch.acos((ends[0] @ ends[1]).double()).item()
    flat, round_ = subject().model.path(*ends, share), subject("TextVAE-sphere").model.path(*ends, share)
    assert lengths(flat[None]).item() == pytest.approx((ends[1] - ends[0]).norm().item(), rel=1e-4)
    assert lengths(round_[None]).item() == pytest.approx(angle, rel=1e-4)


def test_paths_join_posterior_centres_two_by_two():
    examined = subject()
    centres = examined.centres(examined.held_out.shuffled(0))
    with patch.object(Subject, "written", lambda _, codes, *__: [[4 + row % 2] for row in range(len(codes))]):
        result = Smoothness(pairs=100, points=2).measure(examined)
    assert result["paths"] == 8
    assert result["change"]["value"] == result["between_ends"]["value"] == 1
    length = (centres[1::2] - centres[::2]).norm(dim=1).sum().item()
    assert 8 / result["change_per_length"]["value"] == pytest.approx(length, rel=1e-3)


def test_it_is_unfit_where_there_is_no_path():
    small = replace(subject(), held_out=subject().held_out.first(3))
    assert "fewer than 4" in Smoothness().unfit(small)
    unfit = {kind for kind in SUBJECTS if Smoothness().unfit(subject(kind))}
    assert unfit == {"SequentialTextVAE"}
