"""Laws of distributions and priors."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import kl_divergence

from latentia.distributions import DiagonalGaussian, kl_per_dimension
from latentia.functional.divergence import gaussian_kl
from tests.laws.tables import PRIORS


def gaussian(*shape: int) -> DiagonalGaussian:
    return DiagonalGaussian(torch.randn(*shape), torch.randn(*shape))


def test_density_integrates_to_one():
    q = DiagonalGaussian(torch.tensor([0.7], dtype=torch.float64), torch.tensor([-1.3], dtype=torch.float64))
    points = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    assert torch.trapezoid(q.log_prob(points[:, None]).exp(), points).item() == pytest.approx(1, abs=1e-9)


def test_density_equals_torch():
    q = gaussian(4, 3)
    expected = torch.distributions.Normal(q.mean, q.stddev).log_prob(torch.ones(4, 3)).sum(-1)
    torch.testing.assert_close(q.log_prob(torch.ones(4, 3)), expected)


def test_closed_kl_equals_monte_carlo():
    q, p = gaussian(3), gaussian(3)
    draws = q.sample((100_000,))
    differences = (q.log_prob(draws) - p.log_prob(draws)).double()
    error = differences.std().item() / math.sqrt(len(differences))
    assert kl_divergence(q, p).item() == pytest.approx(differences.mean().item(), abs=3 * error)


def test_entropy_equals_monte_carlo():
    q = gaussian(3)
    values = -q.log_prob(q.sample((100_000,))).double()
    assert q.entropy().item() == pytest.approx(values.mean().item(), abs=3 * values.std().item() / math.sqrt(1e5))


def test_reparameterised_gradients_equal_those_of_the_moments():
    mean = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    log_variance = torch.tensor([-0.4], dtype=torch.float64, requires_grad=True)
    draws = DiagonalGaussian(mean, log_variance).rsample((400_000,))
    draws.square().mean().backward()
    assert mean.grad.item() == pytest.approx(1.0, abs=0.02)
    assert log_variance.grad.item() == pytest.approx(math.exp(-0.4), abs=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("log_variance", [-14.0, 0.0, 14.0])
@pytest.mark.parametrize("mean", [0.0, -1e3, 1e3])
def test_finite_at_the_ends_of_the_range(dtype, log_variance, mean):
    q = DiagonalGaussian(torch.full((2,), mean, dtype=dtype), torch.full((2,), log_variance, dtype=dtype))
    p = DiagonalGaussian(torch.zeros(2, dtype=dtype), torch.zeros(2, dtype=dtype))
    draws = q.rsample((3,))
    for value in (draws, q.log_prob(draws), p.log_prob(draws), kl_divergence(q, p), kl_divergence(p, q), q.entropy()):
        assert value.isfinite().all()


def test_kl_does_not_cancel_near_equality():
    """In float32 ``r - 1 - log r`` gives 0 or noise here; the exact value is ``epsilon^2 / 4``."""
    epsilon, zero = torch.tensor([1e-3]), torch.zeros(1)
    assert gaussian_kl(zero, epsilon, zero, zero).item() == pytest.approx(2.5e-7, rel=0.05)


def test_kl_of_dimensions_adds_up():
    q, p = gaussian(4, 3), gaussian(4, 3)
    torch.testing.assert_close(kl_per_dimension(q, p).sum(-1), kl_divergence(q, p))
    assert kl_divergence(q, q).abs().max() == 0


def test_expanded_distribution_scores_alike():
    q = gaussian(3)
    assert q.expand((5,)).log_prob(torch.zeros(3)).tolist() == [q.log_prob(torch.zeros(3)).item()] * 5


@pytest.mark.parametrize("name", PRIORS)
def test_priors_integrate_to_one_or_declare_a_bound(name):
    prior = PRIORS[name]()
    q = prior()
    assert prior.density_is_exact
    proposal = DiagonalGaussian(torch.zeros(q.event_shape), torch.full(q.event_shape, math.log(4.0)))
    draws = proposal.sample((200_000,))
    weights = (q.log_prob(draws) - proposal.log_prob(draws)).exp().double()
    assert weights.mean().item() == pytest.approx(1, abs=4 * weights.std().item() / math.sqrt(len(weights)))
