"""Laws of distributions and priors."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import kl_divergence

from latentia.distributions import (
    DiagonalGaussian,
    GaussianMixture,
    HypersphericalUniform,
    SharedNoiseGaussian,
    concatenated,
    kl_per_dimension,
)
from latentia.functional.divergence import gaussian_kl
from latentia.objectives.base import sum_of_kl
from latentia.priors import LearnedMixture
from latentia.records import Batch, Latent, ModelRun
from tests.laws.tables import DISTRIBUTIONS, PRIORS, D, reference


@pytest.fixture(params=DISTRIBUTIONS)
def build(request):
    return DISTRIBUTIONS[request.param]


def gaussian(*shape: int) -> DiagonalGaussian:
    return DiagonalGaussian(torch.randn(*shape), torch.randn(*shape))


def assert_is_mean_of(value: torch.Tensor, draws: torch.Tensor) -> None:
    """Within four standard errors, or within rounding where nothing varies."""
    draws = draws.double()
    error = 4 * draws.std(dim=0) / math.sqrt(len(draws))
    assert ((value - draws.mean(dim=0)).abs() <= error + 1e-5).all()


def test_densities_integrate_to_one(build):
    q = build(2)
    p = reference(q).expand((2,))
    draws = p.sample((200_000,))
    assert_is_mean_of(torch.ones(2), (q.log_prob(draws) - p.log_prob(draws)).exp())


def test_closed_kl_equals_that_of_draws(build):
    q = build(3)
    p = reference(q)
    draws = q.sample((50_000,))
    assert_is_mean_of(kl_divergence(q, p), q.log_prob(draws) - p.log_prob(draws))


def test_closed_entropy_equals_that_of_draws(build):
    q = build(3)
    assert_is_mean_of(q.entropy(), -q.log_prob(q.sample((50_000,))))


def test_means_are_those_of_draws(build):
    q = build(3)
    assert_is_mean_of(q.mean, q.sample((50_000,)))


def test_expanded_distributions_score_and_draw_alike(build):
    q = build(3)
    value = q.sample()
    torch.testing.assert_close(q.expand((5, 3)).log_prob(value), q.log_prob(value).expand(5, 3))
    assert q.expand((5, 3)).rsample((2,)).shape == (2, 5, 3, D)


def test_density_equals_torch():
    q = gaussian(4, 3)
    expected = torch.distributions.Normal(q.mean, q.stddev).log_prob(torch.ones(4, 3)).sum(-1)
    torch.testing.assert_close(q.log_prob(torch.ones(4, 3)), expected)


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


@pytest.mark.parametrize("name", PRIORS)
def test_priors_integrate_to_one_or_declare_a_bound(name):
    prior = PRIORS[name]()
    q = prior()
    assert prior.density_is_exact
    # Against a wider proposal in Euclidean space; a sphere is its own.
    wide = DiagonalGaussian(torch.zeros(q.event_shape), torch.full(q.event_shape, math.log(4.0)))
    proposal = q if isinstance(q, HypersphericalUniform) else wide
    draws = proposal.sample((200_000,))
    assert_is_mean_of(torch.ones(()), (q.log_prob(draws) - proposal.log_prob(draws)).exp())


@pytest.mark.parametrize("name", PRIORS)
def test_variances_of_priors_are_those_of_draws(name):
    q = PRIORS[name]()()
    draws = q.sample((50_000,))
    assert_is_mean_of(q.variance, (draws - q.mean).square())


def test_rows_of_a_mixture_are_scored_as_alone(build):
    q = build(4)
    codes = reference(q).sample((6,)).double()
    each = torch.stack(
        [q.with_parameters(*(part[row] for part in q.parameters)).log_prob(codes) for row in range(4)], dim=1
    )
    torch.testing.assert_close(q.component_log_prob(codes), each.double(), atol=1e-5, rtol=1e-5)
    expected = each.double().logsumexp(dim=1) - math.log(4)
    torch.testing.assert_close(q.mixture_log_prob(codes, chunk=8), expected, atol=1e-5, rtol=1e-5)


def test_joined_distributions_keep_their_rows(build):
    parts = [build(2), build(3)]
    joined = concatenated(parts)
    value = reference(joined).sample()
    torch.testing.assert_close(joined.log_prob(value), torch.cat([part.log_prob(value) for part in parts]))


def test_centres_and_paths_stay_in_the_support(build):
    q = build(2)
    start, end = q.expand((2,)).sample()
    path = q.path(start, end, torch.linspace(0, 1, 5))
    torch.testing.assert_close(path[[0, -1]], torch.stack([start, end]), atol=1e-6, rtol=1e-5)
    steps = (path[1:] - path[:-1]).norm(dim=-1)
    torch.testing.assert_close(steps, steps[:1].expand(4), atol=1e-5, rtol=1e-4)
    if isinstance(reference(q), HypersphericalUniform):
        torch.testing.assert_close(path.norm(dim=-1), torch.ones(5))
        torch.testing.assert_close(q.centre.norm(dim=-1), torch.ones(2))


def test_a_path_between_opposite_directions_stays_on_the_sphere():
    start = torch.tensor([0.6, 0.8, 0.0])
    path = HypersphericalUniform(torch.zeros(3)).path(start, -start, torch.linspace(0, 1, 5))
    torch.testing.assert_close(path.norm(dim=-1), torch.ones(5))
    torch.testing.assert_close(path[-1], -start, atol=1e-6, rtol=0)


@pytest.mark.parametrize("apart", [1.0, 1e-2, 1e-3, 1e-4, 1e-5, 3e-6])
def test_a_path_to_a_nearly_opposite_direction_stays_on_the_sphere(apart):
    start, towards = torch.nn.functional.normalize(torch.randn(2, 32), dim=-1)
    end = torch.nn.functional.normalize(apart * towards - start, dim=0)
    path = HypersphericalUniform(torch.zeros(32)).path(start, end, torch.linspace(0, 1, 9))
    torch.testing.assert_close(path.norm(dim=-1), torch.ones(9), atol=1e-6, rtol=0)
    torch.testing.assert_close(path[[0, -1]], torch.stack([start, end]), atol=2e-6, rtol=0)


def mixture() -> GaussianMixture:
    return GaussianMixture(DiagonalGaussian(2 * torch.randn(5, D), 0.5 * torch.randn(5, D)))


def test_a_mixture_is_the_mean_of_its_components():
    p = mixture()
    value = torch.randn(2, 6, D)
    each = torch.distributions.Normal(p.components.mean, p.components.stddev).log_prob(value[..., None, :]).sum(-1)
    torch.testing.assert_close(p.log_prob(value), each.logsumexp(-1) - math.log(5))


def test_draws_of_a_mixture_have_its_moments():
    p = mixture()
    draws = p.sample((100_000,))
    assert_is_mean_of(p.mean, draws)
    second = (p.components.variance + p.components.mean.square()).mean(0)
    assert_is_mean_of(second, draws.square())


def test_a_learned_prior_is_fitted_to_the_codes_through_the_kl():
    """The cost of codes far from a standard normal falls to their own entropy's, which no fixed prior reaches."""
    prior = LearnedMixture(1, components=8)
    optimizer = torch.optim.Adam(prior.parameters(), 0.05)
    posterior = DiagonalGaussian(torch.tensor([[-3.0], [3.0]]).repeat(64, 1), torch.full((128, 1), -2.0))
    for _ in range(200):
        codes = posterior.rsample((1,))
        run = ModelRun(Batch.collate([[4]] * 128), (Latent("z", codes, posterior, prior()),), torch.zeros(1, 128))
        kl = sum_of_kl(run).mean()
        optimizer.zero_grad()
        kl.backward()
        optimizer.step()
    assert kl.item() == pytest.approx(math.log(2), abs=0.1)


@pytest.mark.parametrize("rank", [1, 8])
@pytest.mark.parametrize("autocast", [False, True])
def test_a_noise_map_of_low_rank_has_a_density(rank, autocast):
    noise_map = 3 * torch.randn(32, rank) @ torch.randn(rank, 32)
    exact = torch.logdet(noise_map.double() @ noise_map.double().T + 1e-6 * torch.eye(32, dtype=torch.float64))
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        q = SharedNoiseGaussian(torch.zeros(2, 32), noise_map)
        entropy, scores = q.entropy(), q.log_prob(q.rsample((4,)))
    assert entropy[0].item() == pytest.approx(0.5 * (exact.item() + 32 * (1 + math.log(2 * math.pi))), rel=1e-3)
    assert scores.isfinite().all()


def test_the_variance_of_a_mixture_is_that_of_its_draws():
    p = mixture()
    draws = p.sample((100_000,))
    torch.testing.assert_close(p.variance, draws.var(dim=0), rtol=0.03, atol=0)


def test_a_widened_distribution_keeps_its_centre_and_reaches_further(build):
    q = build(3)
    twice = q.widened(2.0)
    torch.testing.assert_close(twice.centre, q.centre)
    torch.testing.assert_close(q.widened(1.0).log_prob(q.centre), q.log_prob(q.centre))
    near, far = ((each.sample((20_000,)) - q.centre).norm(dim=-1).mean(dim=0) for each in (q, twice))
    assert (far > 1.1 * near).all() or isinstance(q, HypersphericalUniform)


def test_a_gaussian_twice_as_wide_has_twice_the_standard_deviation():
    q = gaussian(4, 3)
    torch.testing.assert_close(q.widened(2.0).stddev, 2 * q.stddev)
