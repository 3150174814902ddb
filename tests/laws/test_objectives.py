"""Laws of objectives."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn.functional import normalize

from latentia.distributions import (
    DiagonalGaussian,
    GaussianMixture,
    HypersphericalUniform,
    VonMisesFisher,
    information_of_each,
)
from latentia.errors import RecipeError
from latentia.functional import schedule
from latentia.functional.discrepancy import maximum_mean_discrepancy
from latentia.functional.schedule import Constant
from latentia.functional.sphere import log_area
from latentia.objectives import (
    ELBO,
    DensityGap,
    DualEstimate,
    FreeBitsDimension,
    FreeBitsExample,
    FreeBitsTotal,
    LogVariancePenalty,
    MaximumMeanDiscrepancy,
)
from latentia.objectives.base import sum_of_kl
from latentia.records import Batch, Latent, ModelRun
from tests.laws.tables import OBJECTIVES, SCHEDULES


def run_of(mean: torch.Tensor, log_variance: torch.Tensor) -> ModelRun:
    posterior = DiagonalGaussian(mean, log_variance)
    prior = DiagonalGaussian(torch.zeros(mean.shape[1]), torch.zeros(mean.shape[1]))
    latent = Latent("z", posterior.rsample((2,)), posterior, prior)
    return ModelRun(Batch.collate([[4]] * len(mean)), (latent,), torch.randn(2, len(mean)))


def a_run(examples: int = 8, dimensions: int = 3) -> ModelRun:
    return run_of(torch.randn(examples, dimensions), torch.randn(examples, dimensions) * 0.3)


def with_estimate(name: str, run: ModelRun) -> ModelRun:
    """The run with the critic's estimate, for the objective that cannot do without."""
    return replace(run, auxiliary=lambda: {"dual_kl": run.log_likelihood / 2}) if name == "DualEstimate" else run


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_bound_does_not_depend_on_what_is_trained(name):
    run = with_estimate(name, a_run())
    expected = sum_of_kl(run) - run.log_likelihood
    for weight in (0.0, 0.3, 1.0):
        terms = OBJECTIVES[name](Constant(weight))(run, 0)
        torch.testing.assert_close(terms.bound, expected)
        torch.testing.assert_close(terms.parts["kl"], sum_of_kl(run))
        assert terms.loss.shape == (2, 8)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_is_its_parts_times_their_weights(name):
    terms = OBJECTIVES[name](Constant(0.3))(with_estimate(name, a_run()), 0)
    torch.testing.assert_close(terms.loss, sum(weight * terms.parts[part] for part, weight in terms.weights.items()))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_weight_zero_leaves_the_reconstruction(name):
    run = with_estimate(name, a_run())
    torch.testing.assert_close(OBJECTIVES[name](Constant(0.0))(run, 0).loss, -run.log_likelihood)


@pytest.mark.parametrize(
    "objective",
    [ELBO(Constant()), *(kind(Constant(), nats=0.0) for kind in (FreeBitsDimension, FreeBitsExample, FreeBitsTotal))],
)
def test_beta_one_and_no_free_bits_are_the_elbo(objective):
    run = a_run()
    terms = objective(run, 0)
    torch.testing.assert_close(terms.loss.mean(), terms.bound.mean())


def test_beta_scales_the_kl_alone():
    run = a_run()
    torch.testing.assert_close(ELBO(Constant(), beta=0.4)(run, 0).loss, 0.4 * sum_of_kl(run) - run.log_likelihood)


def kl_table(*rows: tuple[float, ...]) -> ModelRun:
    """A run whose KL of each example and dimension is given: means alone, variances of 1."""
    return run_of((2 * torch.tensor(rows)).sqrt(), torch.zeros(len(rows), len(rows[0])))


def test_the_three_free_bits_are_three_algorithms():
    run = kl_table((0.0, 4.0), (2.0, 2.0))
    kl = sum_of_kl(run)
    floors = [
        kind(Constant(), nats=1.5).regulariser(run, kl) for kind in (FreeBitsDimension, FreeBitsExample, FreeBitsTotal)
    ]
    expected = [torch.tensor([4.5, 4.5]), torch.tensor([5.5, 4.0]), torch.tensor([4.0, 4.0])]
    for floor, value in zip(floors, expected, strict=True):
        torch.testing.assert_close(floor, value)


def test_the_max_form_has_the_gradient_of_the_mask_form():
    mean = torch.randn(6, 4).requires_grad_()
    run = run_of(mean, torch.zeros(6, 4))
    maximum = FreeBitsExample(Constant(), nats=0.3).regulariser(run, sum_of_kl(run)).sum()
    kl = 0.5 * mean.square()
    masked = (kl * (kl > 0.3)).sum()
    torch.testing.assert_close(*(torch.autograd.grad(loss, mean, retain_graph=True)[0] for loss in (maximum, masked)))


def test_a_dimension_below_its_floor_on_average_gets_no_gradient_and_one_above_all_of_it():
    mean = torch.tensor([[0.1, 2.0, 3.0], [0.2, 0.1, 3.0]]).requires_grad_()  # the second dimension is above together
    run = run_of(mean, torch.zeros(2, 3))
    ours, kl = FreeBitsDimension(Constant(), nats=0.5).regulariser(run, sum_of_kl(run)), sum_of_kl(run)
    of_ours, of_kl = (torch.autograd.grad(cost.mean(), mean, retain_graph=True)[0] for cost in (ours, kl))
    torch.testing.assert_close(of_ours, of_kl * torch.tensor([0.0, 1.0, 1.0]))


def test_a_code_below_its_floor_gets_no_gradient_and_one_above_all_of_it():
    mean = torch.tensor([[0.1, 0.2], [3.0, 0.1]]).requires_grad_()
    run = run_of(mean, torch.zeros(2, 2))
    ours = FreeBitsTotal(Constant(), nats=1.0).regulariser(run, sum_of_kl(run)).sum()
    torch.testing.assert_close(torch.autograd.grad(ours, mean)[0], torch.tensor([[0.0, 0.0], [3.0, 0.1]]))


@pytest.mark.parametrize("form", ["marginal", "joint"])
@pytest.mark.parametrize("size", [1, 3, 6])
def test_the_gap_and_its_gradients_are_those_of_the_definition(form, size):
    """On the same noise, through draws and components alike, with the log of a mean and not the mean of logs."""
    mean, log_variance = torch.randn(6, 2).requires_grad_(), torch.randn(6, 2).requires_grad_()
    torch.manual_seed(5)
    measured = DensityGap(Constant(), form, draws=7, aggregation_size=size).regulariser(
        run := run_of(mean, log_variance), sum_of_kl(run)
    )
    torch.manual_seed(5)
    run_of(mean, log_variance)  # draws as many numbers
    gaps = []
    for centre, spread in zip(mean.split(size), log_variance.split(size), strict=True):
        draws = (centre + (0.5 * spread).exp() * torch.randn(7, size, 2)).flatten(0, 1)
        components = torch.distributions.Normal(centre, (0.5 * spread).exp()).log_prob(draws[:, None])
        components = components.sum(-1, keepdim=True) if form == "joint" else components
        aggregate = components.exp().mean(dim=1).log().sum(dim=-1)
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(draws).sum(-1)
        gaps.append((aggregate - prior).mean().expand(size))
    expected = torch.cat(gaps)
    torch.testing.assert_close(measured, expected)
    ours, theirs = (torch.autograd.grad(cost.sum(), (mean, log_variance)) for cost in (measured, expected))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["marginal", "joint"])
@pytest.mark.parametrize("log_variance", [-30.0, 10.0])
def test_the_gap_is_finite_for_very_narrow_and_very_wide_posteriors(form, log_variance):
    mean, spread = torch.randn(8, 3).requires_grad_(), torch.full((8, 3), log_variance).requires_grad_()
    run = run_of(mean, spread)
    value = DensityGap(Constant(), form).regulariser(run, sum_of_kl(run)).mean()
    gradients = torch.autograd.grad(value, (mean, spread))
    assert all(tensor.isfinite().all() for tensor in (value, *gradients))
    # Narrow ones do not overlap, wide ones are one: of the KL, the logarithm of their number is left out or nothing.
    left_out = (1 if form == "joint" else 3) * math.log(8) if log_variance < 0 else 0.0
    assert value.item() == pytest.approx(sum_of_kl(run).mean().item() - left_out, rel=0.05)


@pytest.mark.parametrize("form", ["marginal", "joint"])
def test_the_gap_of_one_posterior_is_its_kl(form):
    run = a_run(examples=4)
    objective = DensityGap(Constant(), form, draws=20_000, aggregation_size=1)
    kl = sum_of_kl(run)
    torch.testing.assert_close(objective.regulariser(run, kl), kl, atol=0.06, rtol=0)


def test_the_log_variance_penalty_counts_both_sides_of_one():
    run = run_of(torch.randn(2, 2), torch.tensor([[1.0, -2.0], [0.0, 0.5]]))
    measured = LogVariancePenalty(Constant(), strength=0.1).regulariser(run, sum_of_kl(run))
    torch.testing.assert_close(measured, torch.tensor([0.3, 0.05]))


def test_the_estimate_of_a_critic_is_weighted_and_its_own_cost_stands_apart():
    run = a_run()
    critic, estimate = torch.randn(2, 8), torch.randn(2, 8)
    run = replace(run, auxiliary=lambda: {"critic": critic, "dual_kl": estimate})
    terms = DualEstimate(Constant(0.3))(replace(run, apart=("critic",)), 0)
    torch.testing.assert_close(terms.loss, -run.log_likelihood + 0.3 * estimate)
    torch.testing.assert_close(terms.apart, critic)


def learned(run: ModelRun) -> ModelRun:
    """The run under a mixture prior."""
    (latent,) = run.latents
    prior = GaussianMixture(DiagonalGaussian(torch.randn(2, 3), torch.zeros(2, 3)))
    return replace(run, latents=(replace(latent, prior=prior),))


@pytest.mark.parametrize(
    "objective",
    [DensityGap(Constant()), *(kind(Constant()) for kind in (FreeBitsDimension, FreeBitsExample, FreeBitsTotal))],
)
def test_objectives_that_need_a_simple_prior_refuse_a_mixture(objective):
    with pytest.raises(RecipeError):
        objective(learned(a_run()), 0)


@pytest.mark.parametrize(
    "objective", [ELBO(Constant()), DensityGap(Constant(), "joint"), MaximumMeanDiscrepancy(Constant())]
)
def test_objectives_that_draw_from_the_prior_take_a_mixture(objective):
    assert objective(learned(a_run()), 0).loss.isfinite().all()


def test_the_joint_gap_of_an_aggregate_that_is_the_mixture_is_nothing():
    """The marginal form would be minus the total correlation here, two thirds of a nat or more."""
    components = DiagonalGaussian(torch.tensor([[-4.0] * 3, [4.0] * 3]), torch.zeros(2, 3))
    latent = Latent("z", components.rsample((1,)), components, GaussianMixture(components))
    run = ModelRun(Batch.collate([[4]] * 2), (latent,), torch.zeros(1, 2))
    gap = DensityGap(Constant(), "joint", draws=2000).regulariser(run, torch.zeros(2))
    torch.testing.assert_close(gap, torch.zeros(2), atol=1e-4, rtol=0)


def test_posterior_and_prior_of_different_spaces_are_refused():
    (latent,) = directional_run(4).latents
    for prior in (DiagonalGaussian(torch.zeros(4), torch.zeros(4)), learned(a_run(4, 4)).latents[0].prior):
        run = replace(directional_run(4), latents=(replace(latent, prior=prior),))
        with pytest.raises(RecipeError, match="no KL"):
            sum_of_kl(run)


def test_the_dual_estimate_needs_a_critic():
    with pytest.raises(RecipeError, match="DualCritic"):
        DualEstimate(Constant())(a_run(), 0)


def directional_run(examples: int) -> ModelRun:
    """A run on the sphere, of fixed concentration."""
    posterior = VonMisesFisher(normalize(torch.randn(examples, 4), dim=-1), torch.full((examples,), 8.0))
    latent = Latent("z", posterior.rsample((2,)), posterior, HypersphericalUniform(torch.zeros(4)))
    return ModelRun(Batch.collate([[4]] * examples), (latent,), torch.randn(2, examples))


def test_the_gap_of_one_posterior_on_the_sphere_is_its_kl():
    run = directional_run(4)
    kl = sum_of_kl(run)
    measured = DensityGap(Constant(), "joint", draws=20_000, aggregation_size=1).regulariser(run, kl)
    torch.testing.assert_close(measured, kl, atol=0.06, rtol=0)


def test_the_gap_on_the_sphere_is_the_kl_less_the_information_of_the_group():
    run = directional_run(16)
    (latent,) = run.latents
    measured = DensityGap(Constant(), "joint", draws=4000).regulariser(run, sum_of_kl(run))
    information = information_of_each(latent.posterior, 4000).mean().item()
    assert measured.tolist() == pytest.approx([sum_of_kl(run).mean().item() - information] * 16, abs=0.03)


def test_the_gap_on_the_sphere_has_the_gradients_of_its_definition():
    """Through draws and components alike: components held fixed would not feel that the group crowds together."""
    raw, concentration = torch.randn(6, 4).requires_grad_(), torch.full((6,), 8.0).requires_grad_()
    posterior = VonMisesFisher(normalize(raw, dim=-1), concentration)
    run = directional_run(6)
    run = replace(run, latents=(replace(run.latents[0], posterior=posterior),))
    torch.manual_seed(5)
    measured = DensityGap(Constant(), "joint", draws=7).regulariser(run, sum_of_kl(run))[0]
    torch.manual_seed(5)
    draws = posterior.rsample((7,)).flatten(0, 1)
    each = [posterior.with_parameters(*row).log_prob(draws) for row in zip(*posterior.parameters, strict=True)]
    expected = torch.stack(each).exp().mean(dim=0).log().mean() + log_area(4)
    torch.testing.assert_close(measured, expected)
    ours, theirs = (torch.autograd.grad(cost, (raw, concentration), retain_graph=True) for cost in (measured, expected))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("information", "of_kl", "of_gap"), [(1.0, 0.0, 5.0), (0.25, 0.75, 4.25), (0.0, 1.0, 4.0)])
def test_the_discrepancy_has_the_weights_of_the_information_vae(information, of_kl, of_gap):
    run = a_run()
    torch.manual_seed(9)
    measured = MaximumMeanDiscrepancy(Constant(), 5.0, information).regulariser(run, sum_of_kl(run))
    torch.manual_seed(9)
    gap_to_prior = maximum_mean_discrepancy(run.latents[0].sample[0], run.latents[0].prior.sample((8,)), 6.0)
    torch.testing.assert_close(measured, of_kl * sum_of_kl(run) + of_gap * gap_to_prior)


def test_a_discrepancy_that_would_be_rewarded_is_refused():
    with pytest.raises(RecipeError, match="rewards a discrepancy"):
        MaximumMeanDiscrepancy(Constant(), strength=0.4, information=0.5)


def test_the_discrepancy_on_the_sphere_sees_more_than_means():
    """Two opposite clusters have the prior's mean; a kernel as wide as that of 32 Gaussian dimensions sees no more."""
    towards = torch.where(torch.rand(64, 1) < 0.5, 1.0, -1.0) * torch.eye(32)[0]
    apart, alike = (VonMisesFisher(towards, torch.full((64,), kappa)) for kappa in (40.0, 0.0))

    def measured(posterior: VonMisesFisher) -> torch.Tensor:
        latent = Latent("z", posterior.rsample((1,)), posterior, HypersphericalUniform(torch.zeros(32)))
        run = ModelRun(Batch.collate([[4]] * 64), (latent,), torch.zeros(1, 64))
        return MaximumMeanDiscrepancy(Constant(), strength=1.0).regulariser(run, sum_of_kl(run))[0]

    chance = torch.stack([measured(alike) for _ in range(40)])
    assert measured(apart) > chance.mean() + 6 * chance.std()


def test_the_marginal_gap_on_the_sphere_is_refused():
    run = directional_run(4)
    with pytest.raises(RecipeError, match="Gaussian"):
        DensityGap(Constant()).regulariser(run, sum_of_kl(run))


def test_the_marginal_gap_equals_quadrature():
    mean, log_variance = torch.tensor([[-1.0, 0.2], [1.5, 0.0], [0.0, 0.4]]), torch.full((3, 2), -1.0)
    points = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    density = torch.distributions.Normal(mean.double(), math.exp(-0.5)).log_prob(points[:, None, None])
    mixture = density.logsumexp(1) - math.log(3)
    prior = -0.5 * (points.square() + math.log(2 * math.pi))
    exact = torch.trapezoid(mixture.exp() * (mixture - prior[:, None]), points, dim=0).sum().item()
    run = run_of(mean, log_variance)
    measured = DensityGap(Constant(), draws=40_000).regulariser(run, sum_of_kl(run))
    assert measured.tolist() == pytest.approx([exact] * 3, abs=0.01)


def gap(run: ModelRun, form: str, size: int) -> float:
    objective = DensityGap(Constant(), form, draws=500, aggregation_size=size)
    return objective.regulariser(run, sum_of_kl(run)).mean().item()


@pytest.mark.parametrize("form", ["marginal", "joint"])
def test_a_larger_group_leaves_more_unpenalised(form):
    run = a_run(examples=32)
    values = [gap(run, form, size) for size in (1, 4, 32)]
    assert values[0] > values[1] > values[2] > 0


def test_the_joint_gap_is_the_stronger_penalty():
    """By the total correlation of the aggregate, which equal means in all dimensions make large."""
    run = run_of(torch.randn(32, 1).repeat(1, 3), torch.full((32, 3), -2.0))
    assert gap(run, "joint", 32) > gap(run, "marginal", 32) + 0.5
    assert sum_of_kl(run).mean().item() - gap(run, "joint", 32) <= math.log(32) + 0.05


def test_a_last_smaller_group_is_kept():
    run = a_run(examples=7)
    values = DensityGap(Constant(), aggregation_size=3).regulariser(run, sum_of_kl(run))
    assert [len(set(part.tolist())) for part in values.split(3)] == [1, 1, 1]


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_settle_where_they_say(name):
    weight = SCHEDULES[name]()
    assert weight(weight.settled_at) == pytest.approx(weight(10**9), rel=0.011)
    assert all(0 <= weight(step) <= 1 for step in range(100))


def cyclical(step: int, period: int = 10, steps: int = 30, ramp: float = 0.4, start: float = 0.1) -> float:
    """Fu et al.: within each cycle, a quotient rounded up, a ramp over its share, then 1; after the run 1."""
    position = (step % period) / period
    return 1.0 if step >= steps else min(1.0, start + (1 - start) * position / ramp)


TABLES = {
    "Cyclical": (schedule.Cyclical(4, 0.5, of_steps=22), partial(cyclical, period=6, ramp=0.5, start=0.0, steps=22)),
    "Cyclical from above nothing": (schedule.Cyclical(3, 0.4, 0.1, of_steps=30), cyclical),
    "Linear": (schedule.Linear(20, 0.1, 0.9), lambda step: min(0.9, 0.1 + 0.04 * step)),
    "Ramp": (schedule.Ramp(0.8, after=0.2).over(20), lambda step: min(1.0, max(0.0, (step - 4) / 12))),
    "Sigmoid": (schedule.Sigmoid(20, 0.5), lambda step: 1 / (1 + math.exp(-0.5 * (step - 20)))),
}


@pytest.mark.parametrize("name", TABLES)
def test_schedules_are_their_closed_forms(name):
    ours, closed = TABLES[name]
    assert [ours(step) for step in range(45)] == pytest.approx([closed(step) for step in range(45)])


@pytest.mark.parametrize("total", range(1, 30))
def test_cycles_settle_within_every_run(total):
    """Weights are chosen among validations after that."""
    weight = schedule.Cyclical().over(total)
    assert weight.settled_at <= total
    assert weight(weight.settled_at) == 1


def test_a_ramp_fits_every_run():
    for total in (1, 10, 1000):
        ramp = SCHEDULES["Ramp"]().over(total)
        assert ramp(total) == 1
        assert ramp.settled_at == round(0.5 * total)
