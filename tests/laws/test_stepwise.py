"""Laws of codes of one a step: distributions over them, their priors and their encoders."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import kl_divergence

from latentia.distributions import AutoregressiveGaussian, StepwiseGaussian
from latentia.records import Batch
from tests.laws.tables import STEP_DISTRIBUTIONS, STEPWISE_ENCODERS, STEPWISE_PRIORS, D, V
from tests.laws.test_distributions import assert_is_mean_of

SEQUENCES = [[4, 5, 6, 5], [6], [5, 4], [4, 4, 4, 4, 4, 6]]
MASK = Batch.collate(SEQUENCES).mask
EVERY = torch.ones(2, 5, dtype=torch.bool)


@pytest.fixture(params=STEP_DISTRIBUTIONS)
def build(request):
    return STEP_DISTRIBUTIONS[request.param]


@pytest.fixture(params=STEPWISE_ENCODERS)
def encoder(request):
    return STEPWISE_ENCODERS[request.param]().eval()


def test_densities_integrate_to_one(build):
    """Over real steps alone: a padded step with a density of its own would weigh as a factor that is not 1."""
    mask = MASK[:, :3]
    q = build(mask)
    wide = StepwiseGaussian(torch.zeros(*mask.shape, D), torch.full((*mask.shape, D), 0.5), mask)
    draws = wide.sample((100_000,))
    assert_is_mean_of(torch.ones(len(mask)), (q.log_prob(draws) - wide.log_prob(draws)).exp())


def test_closed_entropy_equals_that_of_draws(build):
    q = build(MASK)
    assert_is_mean_of(q.entropy(), -q.log_prob(q.sample((20_000,))))


def test_closed_kl_equals_that_of_draws():
    q, p = (STEP_DISTRIBUTIONS[name](MASK) for name in ("StepwiseGaussian", "AutoregressiveGaussian"))
    draws = q.sample((50_000,))
    assert_is_mean_of(kl_divergence(q, p), q.log_prob(draws) - p.log_prob(draws))


def test_what_stands_at_padding_does_not_count():
    mean, log_variance = torch.randn(*MASK.shape, D), torch.randn(*MASK.shape, D)
    p, value = AutoregressiveGaussian(0.7, MASK, D), torch.randn(*MASK.shape, D)
    measured = []
    for filling in (0.0, 100.0, torch.nan):
        parts = [part.masked_fill(~MASK[..., None], filling) for part in (mean, log_variance, value)]
        q = StepwiseGaussian(*parts[:2], MASK)
        measured.append(torch.stack([q.log_prob(parts[2]), p.log_prob(parts[2]), kl_divergence(q, p), q.entropy()]))
    assert torch.equal(measured[0], measured[1])
    assert torch.equal(measured[0], measured[2])


def test_draws_are_zero_at_padding(build):
    draws = build(MASK).rsample((3,))
    assert draws.shape == (3, *MASK.shape, D)
    assert (draws[:, ~MASK] == 0).all()


def test_units_are_the_real_steps():
    q = STEP_DISTRIBUTIONS["StepwiseGaussian"](MASK)
    assert q.steps.mean.shape == (MASK.sum().item(), D)
    torch.testing.assert_close(q.steps.mean[:5], q.mean[0, :5])


@pytest.mark.parametrize("correlation", [0.0, 0.7, 0.99])
def test_every_step_of_the_autoregression_is_standard_normal(correlation):
    draws = AutoregressiveGaussian(correlation, EVERY, D).sample((50_000,)).double()
    error = 4 / math.sqrt(50_000)
    assert draws.mean(dim=0).abs().max() < error
    assert (draws.var(dim=0) - 1).abs().max() < math.sqrt(2) * error
    neighbours = (draws[:, :, 1:] * draws[:, :, :-1]).mean(dim=0)
    assert (neighbours - correlation).abs().max() < math.sqrt(2) * error


@pytest.mark.parametrize("name", STEPWISE_PRIORS)
def test_what_follows_the_last_step_integrates_out(name):
    """The prior of three steps is that of five with the last two averaged over: log p(z_1..3) = log E p(z_1..5) / r."""
    prior = STEPWISE_PRIORS[name]()
    assert prior.density_is_exact
    three = torch.randn(1, 3, D)
    rest = torch.randn(100_000, 1, 2, D)
    longer = prior(EVERY[:1]).log_prob(torch.cat([three.expand(100_000, 1, 3, D), rest], dim=2))
    of_rest = -0.5 * (rest.square() + math.log(2 * math.pi)).sum(dim=(2, 3))
    ratio = longer - of_rest - prior(EVERY[:1, :3]).log_prob(three)
    assert_is_mean_of(torch.ones(1), ratio.exp())


@pytest.mark.parametrize("name", STEPWISE_PRIORS)
def test_the_prior_of_a_step_is_that_of_a_sequence_of_one(name):
    prior, codes = STEPWISE_PRIORS[name](), torch.randn(5, 2, D)
    whole = prior(EVERY[:, :1]).log_prob(codes[:, :, None])
    torch.testing.assert_close(prior.of_a_step().log_prob(codes), whole)


@pytest.mark.parametrize("name", STEPWISE_PRIORS)
def test_priors_continue_where_sequences_end(name):
    prior, codes = STEPWISE_PRIORS[name](), torch.randn(*MASK.shape, D)
    continued = prior.continued(codes, MASK, 9)
    for row, length in enumerate(MASK.sum(dim=1).tolist()):
        torch.testing.assert_close(continued[row, :length], codes[row, :length])
        torch.testing.assert_close(continued[row, length], 0.7 * codes[row, length - 1])
        torch.testing.assert_close(continued[row, 8], 0.7 ** (9 - length) * codes[row, length - 1])


def test_padding_changes_nothing(encoder):
    together = encoder(Batch.collate(SEQUENCES))
    for row, sequence in enumerate(SEQUENCES):
        alone = encoder(Batch.collate([sequence]))
        for ours, theirs in zip(together.each.parameters, alone.each.parameters, strict=True):
            torch.testing.assert_close(ours[row, : len(sequence) + 1], theirs[0])


def test_order_of_the_batch_changes_nothing(encoder):
    forward, backward = encoder(Batch.collate(SEQUENCES)), encoder(Batch.collate(SEQUENCES[::-1]))
    torch.testing.assert_close(forward.mean, backward.mean.flip(0))


def test_every_parameter_gets_a_gradient(encoder):
    encoder(Batch.collate(SEQUENCES)).rsample((2,)).pow(3).sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in encoder.parameters())


def test_a_step_sees_its_token_and_those_after_it_alone(encoder):
    """An encoder of both directions would see all."""
    before = encoder(Batch.collate([[4, 5, 6, 5], [6, 4]])).each
    for place in range(4):
        tokens = [4, 5, 6, 5]
        tokens[place] = (tokens[place] + 1 - 4) % (V - 4) + 4
        after = encoder(Batch.collate([tokens, [6, 4]])).each
        for ours, theirs in zip(before.parameters, after.parameters, strict=True):
            changed = (ours != theirs).any(dim=-1)
            assert changed[0].tolist() == [step <= place for step in range(5)]
            assert not changed[1].any()
