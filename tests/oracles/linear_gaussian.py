"""Probabilistic PCA: x = W z + noise, whose posterior, KL and evidence are exact."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal

from latentia.distributions import DiagonalGaussian
from latentia.records import Batch, Latent, ModelRun


class LinearGaussian:
    """Orthogonal columns make the exact posterior diagonal, so that a diagonal recognition model can be exact.

    Args:
        spread: How much wider than the exact posterior the recognition model is, as a factor of its variance.
        angle: Turns the code, after which no diagonal posterior is exact; in radians.
    """

    def __init__(self, examples: int = 40, spread: float = 1.0, angle: float = 0.0) -> None:
        generator = torch.Generator().manual_seed(3)
        basis = torch.linalg.qr(torch.randn(6, 2, generator=generator)).Q
        turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        self.weight, self.noise = basis * torch.tensor([2.0, 0.7]) @ turn, 0.5
        z = torch.randn(examples, 2, generator=generator)
        self.data = z @ self.weight.T + self.noise * torch.randn(examples, 6, generator=generator)
        self.spread = spread

    def posterior(self) -> DiagonalGaussian:
        """The recognition model."""
        precision = 1 + self.weight.square().sum(0) / self.noise**2
        mean = self.data @ self.weight / self.noise**2 / precision
        return DiagonalGaussian(mean, (self.spread / precision).log().expand_as(mean).contiguous())

    def run(self, samples: int) -> ModelRun:
        """One pass over the data."""
        return self.explain(self.posterior(), samples)

    def explain(self, posterior: DiagonalGaussian, samples: int) -> ModelRun:
        """One pass over the data with codes of a given posterior."""
        prior = DiagonalGaussian(torch.zeros(2), torch.zeros(2))
        codes = posterior.rsample((samples,))
        likelihood = Independent(Normal(codes @ self.weight.T, self.noise), 1).log_prob(self.data)
        batch = Batch.collate([[4]] * len(self.data))
        return ModelRun(batch, (Latent("z", codes, posterior, prior),), likelihood)

    def exact_posterior(self) -> MultivariateNormal:
        """The posterior itself, also where it is not diagonal."""
        precision = torch.eye(2) + self.weight.T @ self.weight / self.noise**2
        mean = torch.linalg.solve(precision, (self.data @ self.weight / self.noise**2).T).T
        return MultivariateNormal(mean, precision_matrix=precision)

    def evidence(self) -> Tensor:
        """Exact log p(x) of each example, in nats."""
        covariance = self.weight @ self.weight.T + self.noise**2 * torch.eye(6)
        return MultivariateNormal(torch.zeros(6), covariance).log_prob(self.data)
