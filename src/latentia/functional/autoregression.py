r"""The stationary autoregression :math:`z_1 \sim N(0, 1)`, :math:`z_t \sim N(a z_{t-1}, 1 - a^2)` and its rate."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from latentia.errors import InputError
from latentia.functional.divergence import gaussian_kl
from latentia.functional.sequence import sum_where

BISECTIONS = 60


def committed_rate(correlation: float, steps: Int[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
    r"""Least KL of any factorised posterior over ``n`` steps of one channel, in nats.

    .. math:: \tfrac12 \big( (n - 2) \log (1 + a^2) - \log (1 - a^2) \big), \quad n \ge 2

    reached at means of 0 and variances of :math:`1 - a^2` at both ends and :math:`(1 - a^2) / (1 + a^2)` between; a
    single step has no neighbour to disagree with, and its least KL is 0.

    Args:
        correlation: ``a``, of neighbouring steps.
        steps: ``n``, at least 1.

    Source: Razavi et al., Preventing Posterior Collapse with delta-VAEs, 2019, section 2.2 and appendix.

    >>> committed_rate(0.76, torch.tensor([1, 2, 22]))
    tensor([0.0000, 0.4309, 4.9899])
    """
    square = correlation**2
    rate = 0.5 * ((steps - 2) * math.log1p(square) - math.log1p(-square))
    return torch.where(steps > 1, rate, 0.0)


def correlation_of_rate(rate: float, steps: int) -> float:
    """Correlation at which ``steps`` steps of one channel commit to ``rate`` nats, by bisection.

    Raises:
        InputError: For a rate that is negative or no number, or that no float below 1 reaches, or fewer than two steps,
            which commit to nothing.

    >>> round(correlation_of_rate(5.0, steps=22), 3)
    0.761
    """
    if not (0 <= rate < math.inf) or steps < 2:
        raise InputError(f"{rate} nats over {steps} steps", "give a rate of at least 0 and at least 2 steps")
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        square = middle**2
        above = square == 1 or (steps - 2) * math.log1p(square) - math.log1p(-square) > 2 * rate
        low, high = (low, middle) if above else (middle, high)
    if high == 1.0:
        raise InputError(
            f"{rate} nats over {steps} steps need a correlation of 1", "spread the rate over more channels"
        )
    return low


def innovation_log_variance(correlation: float, steps: int, like: Tensor) -> Float[Tensor, "T 1"]:
    """Log-variance of each step given the one before: 0 at the first, and then what keeps the variance of all at 1."""
    log_variance = like.new_full((steps, 1), math.log1p(-(correlation**2)))
    log_variance[0] = 0.0
    return log_variance


def before(values: Float[Tensor, "*rows T D"]) -> Float[Tensor, "*rows T D"]:
    """Return the value of the step before each, and 0 before the first."""
    return torch.nn.functional.pad(values[..., :-1, :], (0, 0, 1, 0))


def autoregressive_kl(
    mean: Float[Tensor, "*rows T D"],
    log_variance: Float[Tensor, "*rows T D"],
    correlation: float,
    mask: Bool[Tensor, "*#rows T"],
) -> Float[Tensor, "*rows"]:
    r"""KL divergence of independent Gaussians from the autoregression, over the steps where the mask holds, in nats.

    .. math::
        \sum_t \mathrm{KL}\big( N(\mu_t, \sigma_t^2) \,\|\, N(a \mu_{t-1}, v_t) \big)
            + \frac{a^2 \sigma_{t-1}^2}{2 v_t}, \qquad v_1 = 1, \; v_t = 1 - a^2, \; \mu_0 = \sigma_0 = 0

    The second term is the expectation over the step before, whose draw the mean of this one depends on.

    Source: Razavi et al., Preventing Posterior Collapse with delta-VAEs, 2019, appendix.
    """
    innovation = innovation_log_variance(correlation, mean.shape[-2], mean)
    given_mean = gaussian_kl(mean, log_variance, correlation * before(mean), innovation.expand(mean.shape[-2:]))
    carried = 0.5 * correlation**2 * before(log_variance.exp()) * (-innovation).exp()
    return sum_where((given_mean + carried).sum(dim=-1), mask)


def autoregressive_factor(correlation: float, steps: int, like: Tensor) -> Float[Tensor, "T T"]:
    """Lower triangular factor that turns independent noise of ``steps`` steps into the autoregression."""
    place = torch.arange(steps, device=like.device)
    lag = place[:, None] - place
    carried = torch.where(lag >= 0, correlation ** lag.clamp(min=0).to(like.dtype), 0.0)
    return carried * (0.5 * innovation_log_variance(correlation, steps, like)).exp().T
