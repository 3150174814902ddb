"""Costs and their gradients at the ends of what an encoder can put out: finite, in both precisions.

What lies beyond (a log-variance above 88 has no variance in float32) is stopped by the loop before the step.
"""

from __future__ import annotations

import pytest
import torch
from torch.distributions import kl_divergence

from latentia.distributions import DiagonalGaussian
from latentia.functional.schedule import Constant
from latentia.records import Batch, Latent, ModelRun
from tests.laws.tables import OBJECTIVES


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
