"""Annealed importance sampling where densities and their integrals are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentia.distributions import DiagonalGaussian
from latentia.functional.annealing import (
    ACCEPTANCE,
    Path,
    annealed_log_weights,
    hamiltonian_step,
    pilot_steps,
    sigmoid_places,
)
from latentia.functional.importance import log_mean_exp
from tests.oracles.linear_gaussian import LinearGaussian

CHAINS, LEAPFROGS = 400, 3


def mean_and_error(values: Tensor) -> tuple[float, float]:
    return values.mean().item(), values.std().item() / math.sqrt(values.numel())


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_transition_leaves_the_density_of_its_place_as_it_is(share):
    """With steps so coarse that a third of the trajectories are refused; accepting all would widen the density.

    The density between two Gaussians is the Gaussian whose precision is the average of theirs.
    """
    start = DiagonalGaussian(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, -2.0]]))
    target = DiagonalGaussian(torch.tensor([[-1.0, 2.0]]), torch.tensor([[1.0, -1.0]]))
    precision = (1 - share) / start.variance + share / target.variance
    mean = ((1 - share) * start.mean / start.variance + share * target.mean / target.variance) / precision
    path = Path(start.log_prob, lambda codes: target.log_prob(codes) - 7)
    point = path.at(DiagonalGaussian(mean, -precision.log()).sample((20_000,)))
    chances = []
    for _ in range(4):
        point, chance = hamiltonian_step(path, point, share, 1.6 * precision.rsqrt(), LEAPFROGS)
        chances.append(chance.mean().item())
    assert 0.3 < min(chances) < 0.8
    codes = point.codes[:, 0]
    for dimension in range(2):
        value, error = mean_and_error(codes[:, dimension])
        assert value == pytest.approx(mean[0, dimension].item(), abs=4 * error)
        spread = codes[:, dimension].var().item() * precision[0, dimension].item()
        assert spread == pytest.approx(1.0, abs=4 * math.sqrt(2 / 20_000))


def test_a_transition_finds_its_density_from_elsewhere():
    target = DiagonalGaussian(torch.tensor([[-1.0, 2.0]]), torch.tensor([[1.0, -1.0]]))
    path = Path(lambda codes: 0 * codes.sum(dim=-1), target.log_prob)
    point = path.at(torch.full((1500, 1, 2), 3.0))
    for _ in range(15):
        point, _ = hamiltonian_step(path, point, 1.0, 0.5 * target.stddev, LEAPFROGS)
    torch.testing.assert_close(point.codes.mean(dim=0), target.mean, atol=0.2, rtol=0)
    torch.testing.assert_close(point.codes.std(dim=0), target.stddev, atol=0.1, rtol=0)


def test_a_trajectory_that_diverges_is_refused():
    path = Path(lambda codes: -codes.square().sum(dim=-1), lambda codes: -codes.square().sum(dim=-1).exp())
    point = path.at(torch.ones(5, 2, 3))
    after, chance = hamiltonian_step(path, point, 1.0, torch.full((3,), 1e3), 5)
    assert after.codes.equal(point.codes)
    assert chance.equal(torch.zeros(5, 2))


class Narrow:
    """Linear-Gaussian data, started from a recogniser that is shifted and of the wrong width."""

    def __init__(self, spread: float = 0.4) -> None:
        self.oracle = LinearGaussian(examples=6)
        exact = self.oracle.posterior()
        self.posterior = exact
        self.start = DiagonalGaussian(exact.mean + 0.7 * exact.stddev, exact.log_variance + math.log(spread))
        self.path = Path(self.start.log_prob, self.log_joint)

    def log_joint(self, codes: Tensor) -> Tensor:
        scores = torch.distributions.Normal(codes @ self.oracle.weight.T, self.oracle.noise).log_prob(self.oracle.data)
        return scores.sum(dim=-1) - 0.5 * (codes.square() + math.log(2 * math.pi)).sum(dim=-1)

    def bounds(self, count: int) -> tuple[Tensor, Tensor]:
        """Log-weights up, from below the evidence, and minus those down, from above it."""
        places = sigmoid_places(count)
        steps = pilot_steps(self.path, self.start.sample((20,)), places, self.start.stddev, LEAPFROGS)
        up, _ = annealed_log_weights(self.path, self.start.sample((CHAINS,)), places, steps, LEAPFROGS)
        down, _ = annealed_log_weights(
            self.path, self.posterior.sample((CHAINS,)), places[::-1], steps.flip(0), LEAPFROGS
        )
        return up, -down


@pytest.mark.parametrize("count", [1, 5, 20])
def test_weights_are_unbiased_for_the_evidence_in_both_directions(count):
    narrow = Narrow(spread=1.5 if count == 1 else 0.6)
    exact = narrow.oracle.evidence()
    up, down = narrow.bounds(count)
    for log_weights in (up - exact, exact - down):
        value, error = mean_and_error(log_weights.exp())
        assert value == pytest.approx(1.0, abs=4 * error)
        assert error < 0.1


def test_both_directions_meet_at_the_evidence():
    narrow = Narrow()
    exact = narrow.oracle.evidence()
    gaps = []
    for count in (2, 8, 40):
        up, down = narrow.bounds(count)
        (below, error_below), (above, error_above) = mean_and_error(up - exact), mean_and_error(down - exact)
        assert below < 3 * error_below
        assert above > -3 * error_above
        gaps.append(above - below)
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0
    assert gaps[-1] < 0.2
    torch.testing.assert_close(log_mean_exp(up), exact, atol=0.1, rtol=0)
    torch.testing.assert_close(-log_mean_exp(-down), exact, atol=0.1, rtol=0)


def test_a_pilot_run_finds_steps_of_the_wanted_acceptance():
    narrow = Narrow()
    places = sigmoid_places(60)
    steps = pilot_steps(narrow.path, narrow.start.sample((50,)), places, narrow.start.stddev, LEAPFROGS)
    assert steps.shape == (59, 6, 2)
    point = narrow.path.at(narrow.posterior.sample((500,)))
    _, chance = hamiltonian_step(narrow.path, point, places[-2], steps[-1], LEAPFROGS)
    assert chance.mean().item() == pytest.approx(ACCEPTANCE, abs=0.1)


def test_the_measured_run_does_not_change_its_steps():
    """Twice the same with the same noise, whatever its chains did before."""
    narrow = Narrow()
    places, steps = sigmoid_places(5), torch.full((4, 6, 2), 0.1)
    codes, kept = narrow.start.sample((3,)), steps.clone()
    torch.manual_seed(1)
    first, _ = annealed_log_weights(narrow.path, codes, places, steps, LEAPFROGS)
    torch.manual_seed(1)
    again, _ = annealed_log_weights(narrow.path, codes, places, steps, LEAPFROGS)
    assert first.equal(again)
    assert steps.equal(kept)
