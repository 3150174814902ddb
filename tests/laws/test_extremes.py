"""Costs and their gradients at the ends of what an encoder can put out: finite, in both precisions.

What lies beyond (a log-variance above 88 has no variance in float32) is stopped by the loop before the step.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import kl_divergence

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
@pytest.mark.parametrize("log_variance", [-80.0, -14.0, 0.0, 14.0, 40.0])
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


def directional(kind, end, dtype):
    direction = torch.nn.functional.normalize(torch.randn(2, 32), dim=-1).to(dtype)
    concentration = torch.full((2,), end / 2, dtype=torch.float32).exp().clamp(max=1e6).to(dtype)
    return kind(direction, concentration), HypersphericalUniform(direction)


def gaussian(end, dtype, *shape):
    return DiagonalGaussian(torch.full(shape, 1e3, dtype=dtype), torch.full(shape, end, dtype=dtype))


def stepwise(end, dtype):
    each = gaussian(end, dtype, 2, 3, 4)
    return StepwiseGaussian(*each.parameters, MASK), AutoregressiveGaussian(0.7, MASK, 4)


AT_THE_END = {
    "AutoregressiveGaussian": lambda end, _: (AutoregressiveGaussian((1 - 1e-6) * math.tanh(end), MASK, 4), None),
    "DiagonalGaussian": lambda end, dtype: (gaussian(end, dtype, 2, 4), gaussian(0.0, dtype, 4)),
    "GaussianMixture": lambda end, dtype: (GaussianMixture(gaussian(end, dtype, 3, 4)), None),
    "HypersphericalUniform": lambda _, dtype: (HypersphericalUniform(torch.zeros(2, 32, dtype=dtype)), None),
    "PowerSpherical": lambda end, dtype: directional(PowerSpherical, end, dtype),
    "SharedNoiseGaussian": lambda end, dtype: (
        SharedNoiseGaussian(torch.full((2, 4), 1e3), math.exp(end / 2) * torch.eye(4)),
        gaussian(0.0, torch.float32, 4),
    ),
    "StepwiseGaussian": stepwise,
    "VonMisesFisher": lambda end, dtype: directional(VonMisesFisher, end, dtype),
}


def test_every_distribution_is_taken_to_its_ends():
    assert AT_THE_END.keys() == {*DISTRIBUTIONS, *STEP_DISTRIBUTIONS, "GaussianMixture"}


@pytest.mark.parametrize("name", AT_THE_END)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("end", ENDS)
def test_draws_densities_and_divergences_are_finite(name, dtype, end):
    found, prior = AT_THE_END[name](end, dtype)
    draws = found.sample((3,))
    divergence = kl_divergence(found, prior) if prior is not None else torch.zeros(())
    for value in (draws, found.log_prob(draws), divergence):
        assert value.isfinite().all()
