"""Costs and their gradients at the ends of what an encoder can put out: finite, in both precisions.

What lies beyond (a log-variance above 88 has no variance in float32, one of -200 no deviation) is stopped by the loop
before the step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
from torch.distributions import Distribution, kl_divergence
from torch.nn.functional import normalize

from latentia.distributions import (
    AutoregressiveGaussian,
    DiagonalGaussian,
    GaussianMixture,
    HypersphericalUniform,
    PowerSpherical,
    SharedNoiseGaussian,
    StepwiseGaussian,
    VonMisesFisher,
)
from latentia.functional.schedule import Constant
from latentia.records import Batch, Latent, ModelRun
from tests.laws.tables import DISTRIBUTIONS, OBJECTIVES, STEP_DISTRIBUTIONS


def run_of(mean: torch.Tensor, log_variance: torch.Tensor) -> ModelRun:
    posterior = DiagonalGaussian(mean, log_variance)
    prior = DiagonalGaussian(torch.zeros_like(mean[0]), torch.zeros_like(mean[0]))
    draws = posterior.rsample((1,))
    likelihood = -draws.float().square().sum(dim=-1).clamp(max=1e30).sqrt()
    latent = Latent("z", draws, posterior, prior)
    batch = Batch.collate([[4]] * len(mean))
    return ModelRun(batch, (latent,), likelihood, auxiliary=lambda: {"dual_kl": likelihood / 2})


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("log_variance", [-88.0, -80.0, -14.0, 0.0, 14.0, 40.0, 80.0])
@pytest.mark.parametrize("mean", [0.0, 1e-8, -1e4])
def test_costs_and_gradients_are_finite(name, dtype, log_variance, mean):
    means = (torch.full((4, 3), mean) + torch.arange(4.0)[:, None]).to(dtype).requires_grad_()
    spreads = torch.full((4, 3), log_variance, dtype=dtype).requires_grad_()
    terms = OBJECTIVES[name](Constant(1.0))(run_of(means, spreads), 0)
    gradients = torch.autograd.grad(terms.loss.sum(), (means, spreads), allow_unused=True)
    for value in (terms.loss, terms.bound, *terms.parts.values(), *(each for each in gradients if each is not None)):
        assert value.isfinite().all()


@pytest.mark.parametrize("log_variance", [-40.0, 40.0])
def test_the_kl_pulls_a_log_variance_back_from_both_ends(log_variance):
    spread = torch.tensor([log_variance], requires_grad=True)
    prior = DiagonalGaussian(torch.zeros(1), torch.zeros(1))
    kl_divergence(DiagonalGaussian(torch.zeros(1), spread), prior).sum().backward()
    assert spread.grad.item() * log_variance > 0


MASK = torch.tensor([[True, True, False], [True, True, True]])
ENDS = [-80.0, -14.0, 0.0, 14.0, 40.0]
"""Log-variances; of directions, half of them is the logarithm of the concentration."""


class Case(NamedTuple):
    """A distribution at an end, another to diverge from, and the parameters that gradients go to."""

    found: Distribution
    prior: Distribution | None
    parameters: tuple[torch.Tensor, ...]


def directional(kind, end, dtype):
    direction = normalize(torch.randn(2, 32), dim=-1).to(dtype).requires_grad_()
    concentration = torch.full((2,), end / 2).exp().clamp(max=1e6).to(dtype).requires_grad_()
    return Case(kind(direction, concentration), HypersphericalUniform(direction), (direction, concentration))


def gaussian(end, dtype, *shape):
    centre, spread = torch.full(shape, 1e3, dtype=dtype), torch.full(shape, end, dtype=dtype)
    return DiagonalGaussian(centre.requires_grad_(), spread.requires_grad_())


def diagonal(end, dtype):
    found = gaussian(end, dtype, 2, 4)
    return Case(found, gaussian(0.0, dtype, 4), found.parameters)


def mixed(end, dtype):
    each = gaussian(end, dtype, 3, 4)
    return Case(GaussianMixture(each), None, each.parameters)


def shared(end, dtype):
    mean = torch.full((2, 4), 1e3, dtype=dtype).requires_grad_()
    noise_map = (math.exp(end / 2) * torch.eye(4)).to(dtype).requires_grad_()
    return Case(SharedNoiseGaussian(mean, noise_map), gaussian(0.0, dtype, 4), (mean, noise_map))


def stepwise(end, dtype):
    each = gaussian(end, dtype, 2, 3, 4)
    return Case(StepwiseGaussian(*each.parameters, MASK), AutoregressiveGaussian(0.7, MASK, 4), each.parameters)


AT_THE_END = {
    "AutoregressiveGaussian": lambda end, _: Case(
        AutoregressiveGaussian((1 - 1e-6) * math.tanh(end), MASK, 4), None, ()
    ),
    "DiagonalGaussian": diagonal,
    "GaussianMixture": mixed,
    "HypersphericalUniform": lambda _, dtype: Case(HypersphericalUniform(torch.zeros(2, 32, dtype=dtype)), None, ()),
    "PowerSpherical": lambda end, dtype: directional(PowerSpherical, end, dtype),
    "SharedNoiseGaussian": shared,
    "StepwiseGaussian": stepwise,
    "VonMisesFisher": lambda end, dtype: directional(VonMisesFisher, end, dtype),
}

DRAWN_IN_FULL = {"AutoregressiveGaussian"}
"""Its one parameter is a number and no tensor: it draws in float32, whatever the codes are that it measures."""


def test_every_distribution_is_taken_to_its_ends():
    assert AT_THE_END.keys() == {*DISTRIBUTIONS, *STEP_DISTRIBUTIONS, "GaussianMixture"}


@pytest.mark.parametrize("name", AT_THE_END)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("end", ENDS)
def test_draws_densities_divergences_and_their_gradients_are_finite(name, dtype, end):
    found, prior, parameters = AT_THE_END[name](end, dtype)
    draws = found.rsample((3,)) if found.has_rsample else found.sample((3,))
    assert draws.dtype == (torch.float32 if name in DRAWN_IN_FULL else dtype)
    codes = draws.detach().to(dtype).requires_grad_()
    outcomes = [draws, found.log_prob(codes), *([kl_divergence(found, prior)] if prior else [])]
    assert {each.dtype for each in outcomes[1:]} == {dtype}
    assert len(gradients_of(outcomes[1], parameters)) == len(parameters)
    for value in outcomes:
        assert value.isfinite().all()
        for gradient in gradients_of(value, [*parameters, codes]):
            assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", [PowerSpherical, VonMisesFisher])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("concentration", [0.0, 1e6])
def test_gradients_are_finite_at_the_ends_of_a_concentration(kind, dtype, concentration):
    direction = normalize(torch.randn(2, 32), dim=-1).to(dtype).requires_grad_()
    narrow = torch.full((2,), concentration, dtype=dtype).requires_grad_()
    found = kind(direction, narrow)
    draws = found.rsample((3,))
    for value in (draws, found.log_prob(draws.detach()), kl_divergence(found, HypersphericalUniform(direction))):
        assert value.isfinite().all()
        assert all(gradient.isfinite().all() for gradient in gradients_of(value, [direction, narrow]))


def gradients_of(value, leaves):
    """Gradients to those that a value depends on."""
    if not value.requires_grad or not leaves:
        return []
    found = torch.autograd.grad(value.sum(), leaves, allow_unused=True, retain_graph=True)
    return [each for each in found if each is not None]
