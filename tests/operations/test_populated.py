"""Ways that stay where the aggregate posterior has mass."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from latentia.distributions import DiagonalGaussian, VonMisesFisher
from latentia.errors import InputError
from latentia.functional.relaxation import evenly_spaced
from latentia.operations.populated import bent, log_density, usual_density
from tests.laws.tables import TEXTS, sequential_model, spherical_model
from tests.operations.labelled import labelled_space


def narrow(means: torch.Tensor, deviation: float = 0.1) -> DiagonalGaussian:
    return DiagonalGaussian(means, torch.full_like(means, 2 * math.log(deviation)))


def circle(angles: torch.Tensor) -> torch.Tensor:
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def ring() -> DiagonalGaussian:
    return narrow(circle(2 * math.pi * torch.rand(400)))


def moons() -> DiagonalGaussian:
    upper = circle(math.pi * torch.rand(200))
    return narrow(torch.cat([upper, torch.tensor([1.0, 0.5]) - upper]), 0.08)


def line(a: list[float], b: list[float], steps: int = 21) -> torch.Tensor:
    return torch.lerp(torch.tensor(a), torch.tensor(b), torch.linspace(0, 1, steps)[:, None])


@pytest.mark.parametrize(
    ("build", "ends"),
    [
        (ring, ([1.0, 0.0], [-1.0, 0.0])),
        (moons, ([-1.0, 0.0], [0.7, 0.7])),
        (moons, ([-1.0, 0.0], [1.0, 0.0])),
    ],
)
def test_a_populated_way_goes_round_what_is_empty(build, ends):
    aggregate = build()
    straight = line(*ends)
    way = bent(straight, aggregate, lambda codes: codes)
    level = usual_density(aggregate)
    assert log_density(aggregate, straight).min() < level - 3
    assert log_density(aggregate, way).min() > level - 1
    torch.testing.assert_close(way[[0, -1]], straight[[0, -1]], rtol=0, atol=0)
    apart = (way[1:] - way[:-1]).norm(dim=1)
    assert apart.max() < 1.5 * apart.min()


def test_within_one_gaussian_it_is_the_line():
    aggregate = narrow(torch.randn(500, 8), 0.5)
    straight = line(*torch.randn(2, 8).tolist())
    torch.testing.assert_close(bent(straight, aggregate, lambda codes: codes), straight, atol=0.02, rtol=0)


def test_it_is_no_search_for_the_highest_density():
    """A path of highest density through a Gaussian of many dimensions goes by its mean, where few draws are."""
    aggregate = DiagonalGaussian(torch.zeros(300, 32), torch.zeros(300, 32))
    ends = 5.6 * normalize(torch.randn(2, 32), dim=1)
    straight = line(*ends.tolist())
    torch.testing.assert_close(bent(straight, aggregate, lambda codes: codes), straight, atol=0.05, rtol=0)


def test_on_a_sphere_it_stays_there():
    band = torch.cat([circle(math.pi * torch.rand(300)), torch.zeros(300, 1)], dim=1)
    aggregate = VonMisesFisher(band, torch.full((300,), 60.0))
    start, end = normalize(torch.tensor([[1.0, 0.0, 0.1], [-1.0, 0.05, 0.3]]), dim=1)
    straight = aggregate.path(start, end, torch.linspace(0, 1, 15))
    way = bent(straight, aggregate, lambda codes: normalize(codes, dim=-1))
    torch.testing.assert_close(way.norm(dim=1), torch.ones(15))
    assert log_density(aggregate, way).mean() > log_density(aggregate, straight).mean() + 1


def test_points_at_equal_distances():
    path = circle(torch.tensor([0.0, 0.1, 0.2, 2.0, 3.0]))
    apart = (evenly_spaced(path, 50)[1:] - evenly_spaced(path, 50)[:-1]).norm(dim=1)
    assert apart.max() < 1.1 * apart.median()


def test_two_texts_are_joined_in_populated_land():
    for build in (None, spherical_model):
        space = labelled_space(*([build] if build else []))
        texts = list(space.interpolate(TEXTS[0], TEXTS[9], way="populated", steps=4))
        assert len(texts) == 4
        assert [texts[0], texts[-1]] == list(map(str, space.reconstruct([TEXTS[0], TEXTS[9]])))
    assert len(set(space.interpolate(TEXTS[0], TEXTS[0], way="populated", steps=3))) == 1


def test_without_a_way_or_training_texts_there_is_none():
    with pytest.raises(InputError, match="no path"):
        labelled_space(sequential_model).interpolate(TEXTS[0], TEXTS[1], way="populated")
    with pytest.raises(InputError, match="way is 'scenic'"):
        labelled_space().interpolate(TEXTS[0], TEXTS[1], way="scenic")
