"""The stationary first-order autoregression over the codes of the steps of sequences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl

from latentia.distributions.stepwise_gaussian import StepwiseGaussian
from latentia.functional.autoregression import (
    autoregressive_factor,
    autoregressive_kl,
    before,
    innovation_log_variance,
)
from latentia.functional.sequence import sum_where


class AutoregressiveGaussian(Distribution):
    r"""One code a step, :math:`z_1 \sim N(0, I)`, :math:`z_t \sim N(a z_{t-1}, (1 - a^2) I)`; event ``[T, D]``.

    The innovation has the variance :math:`1 - a^2`, so that every step on its own is standard normal. What follows a
    sequence's last step integrates out: the first ``T`` steps of a longer draw are a draw of ``T``.

    Args:
        correlation: ``a``, of neighbouring steps of a channel.
        mask: True at the steps of each sequence. The others have no density, and their draws are 0.
        latent_dim: Channels, ``D``.

    Source: Razavi et al., Preventing Posterior Collapse with delta-VAEs, 2019, section 2.2.
    """

    has_rsample = True
    arg_constraints = {}  # noqa: RUF012
    support = constraints.independent(constraints.real, 2)

    def __init__(self, correlation: float, mask: Bool[Tensor, "B T"], latent_dim: int) -> None:
        """Keep the parameters."""
        self.correlation, self.mask = correlation, mask
        super().__init__(mask.shape[:1], torch.Size([mask.shape[1], latent_dim]), validate_args=False)

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Float[Tensor, "*samples B T D"]:
        """Draw all steps."""
        noise = torch.randn(self._extended_shape(torch.Size(sample_shape)), device=self.mask.device)
        return (autoregressive_factor(self.correlation, noise.shape[-2], noise) @ noise) * self.mask[..., None]

    def log_prob(self, value: Float[Tensor, "*samples B T D"]) -> Float[Tensor, "*samples B"]:
        """Log-density of the codes of each sequence, in nats."""
        log_variance = innovation_log_variance(self.correlation, value.shape[-2], value)
        innovation = (value - self.correlation * before(value)) * (-0.5 * log_variance).exp()
        density = -0.5 * (innovation.square() + log_variance + math.log(2 * math.pi))
        return sum_where(density.sum(dim=-1), self.mask)

    def entropy(self) -> Float[Tensor, " B"]:
        """Differential entropy of the codes of each sequence, in nats."""
        log_variance = innovation_log_variance(self.correlation, self.mask.shape[1], torch.empty(0))[:, 0]
        each = 0.5 * self.event_shape[1] * (1 + math.log(2 * math.pi) + log_variance)
        return sum_where(each.to(self.mask.device).expand(self.mask.shape), self.mask)


@register_kl(StepwiseGaussian, AutoregressiveGaussian)
def _kl_stepwise_autoregressive(posterior: StepwiseGaussian, prior: AutoregressiveGaussian) -> Tensor:
    each = posterior.each
    return autoregressive_kl(each.location, each.log_variance, prior.correlation, posterior.mask)
