"""What draws that depend on each other are worth."""

from __future__ import annotations

import math

import torch
from jaxtyping import Real
from torch import Tensor


def effective_draws(values: Real[Tensor, "N M *Q"]) -> float:
    r"""Independent draws that would know the mean of a quantity as well as ``M`` chains of ``N`` draws each do.

    .. math::
        \frac{N M}{-1 + 2 \sum_{t=0}^{2k+1} \rho_t}, \qquad
        \rho_t = 1 - \frac{W - \tfrac1M \sum_m c_{mt}}{\tfrac{N-1}N W + \tfrac1N B}

    with ``c`` the autocovariances within chains, ``W`` and ``B`` the variances within and between them. Pairs of
    correlations are summed as long as they are positive, none above the one before. It lies between 1 and the number of
    draws. Where all are equal it is NaN: chains that mix and chains that are stuck alike look the same. Several
    quantities share one number, from the sums of their covariances.

    Source: Gelman et al., Bayesian Data Analysis, third edition, 2013; Geyer, Practical Markov Chain Monte Carlo, 1992.

    Two chains that never move are worth hardly more than one draw:

    >>> round(effective_draws(torch.tensor([[0.0, 1.0]] * 4)), 2)
    1.14
    """
    length, chains = values.shape[:2]
    values = values.double().reshape(length, chains, -1)
    centred = values - values.mean(dim=0)
    lagged = ((centred[lag:] * centred[: length - lag]).sum(dim=0) for lag in range(length))
    covariance = torch.stack([each.mean(dim=0).sum() / length for each in lagged])
    within = covariance[0] * length / max(1, length - 1)
    between = values.mean(dim=0).var(dim=0).sum() if chains > 1 else within.new_zeros(())
    total = covariance[0] + between
    if not total > 0:
        return math.nan
    correlation = 1 - (within - covariance * length / max(1, length - 1)) / total
    pairs = correlation[: length // 2 * 2].view(-1, 2).sum(dim=1)
    kept = torch.cumprod(pairs > 0, dim=0)
    time = -1 + 2 * (pairs.cummin(dim=0).values * kept).sum().item()
    return min(max(length * chains / max(time, 1 / (length * chains)), 1.0), float(length * chains))
