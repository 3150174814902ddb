"""The density gap on a toy with eight classes and two latent dimensions, beside the plain VAE."""

from __future__ import annotations

import math

import torch
from torch import nn

from latentia.distributions import DiagonalGaussian, information_of_each
from latentia.evaluation import marginal_gap
from latentia.functional.schedule import Linear
from latentia.objectives import ELBO, DensityGap, Objective
from latentia.objectives.base import sum_of_kl
from latentia.records import Batch, Latent, ModelRun

CLASSES = 8
PRIOR = DiagonalGaussian(torch.zeros(2), torch.zeros(2))


def trained(objective: Objective, steps: int = 160) -> tuple[DiagonalGaussian, float]:
    """Posteriors of the classes, and their mean KL, after training a table of them beside a small decoder."""
    torch.manual_seed(0)
    mean, log_variance = nn.Parameter(0.1 * torch.randn(CLASSES, 2)), nn.Parameter(torch.zeros(CLASSES, 2))
    decoder = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, CLASSES))
    optimizer = torch.optim.Adam([mean, log_variance, *decoder.parameters()], 4e-2)
    for step in range(steps):
        posterior = DiagonalGaussian(mean, log_variance)
        codes = posterior.rsample((16,))
        of_own_class = decoder(codes).log_softmax(dim=-1).diagonal(dim1=1, dim2=2)
        run = ModelRun(Batch.collate([[4]] * CLASSES), (Latent("z", codes, posterior, PRIOR),), of_own_class)
        optimizer.zero_grad()
        objective(run, step).loss.mean().backward()
        optimizer.step()
    return DiagonalGaussian(mean.detach(), log_variance.detach()), sum_of_kl(run).mean().item()


def test_each_class_has_a_place_of_its_own_and_no_dimension_has_a_hole():
    aggregate, kl = trained(DensityGap(Linear(60)))
    assert information_of_each(aggregate, 2000).mean().item() > 0.9 * math.log(CLASSES)
    assert marginal_gap(aggregate, PRIOR.expand((1,))).max().item() < 0.05
    _, kl_of_vae = trained(ELBO(Linear(60)))
    assert kl_of_vae < kl - 1
