r"""Calibration of predictions: probabilities in bins, calibration errors, and recalibration fitted by Newton's method.

A prediction of probability ``p`` is calibrated if what was given ``p`` happens with that frequency. Sums over
predictions are kept in fine cells of ``p``, so that they stream, and cells are joined to bins afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

CELLS_A_BIN = 32
LOWEST = 16.0
"""Cells in a bin of equal width, and nats below which all probabilities share one cell."""

LOWER, UPPER = torch.tensor([0.05, -20.0], dtype=torch.float64), torch.tensor([20.0, 20.0], dtype=torch.float64)
"""Limits of the inverse temperature and of the bias."""

PASSES, SMALLEST_STEP = 25, 1e-4


def cells(log_probability: Float[Tensor, "*p"], bins: int) -> Int[Tensor, "*p"]:
    """Fine cell of each probability; every edge of ``bins`` bins of equal width is one of the cells.

    The lowest bin is cut into cells of equal ratio, the others into cells of equal width.
    """
    scaled = log_probability.exp() * bins
    ratio = (log_probability + LOWEST) / (LOWEST - math.log(bins))
    place = torch.where(scaled < 1, ratio.clamp(0, 1 - 1e-6), scaled.clamp(max=bins - 1e-6 * bins))
    return (place * CELLS_A_BIN).long()


def edges_of_cells(bins: int) -> Float[Tensor, " edges"]:
    """Lowest probability of each cell, and 1."""
    low = torch.linspace(-LOWEST, -math.log(bins), CELLS_A_BIN + 1, dtype=torch.float64).exp()[:-1]
    low[0] = 0.0
    high = torch.arange(CELLS_A_BIN, CELLS_A_BIN * bins + 1, dtype=torch.float64) / (CELLS_A_BIN * bins)
    return torch.cat([low, high])


def histogram(
    predictions: Float[Tensor, "*p"], hits: Float[Tensor, "*h"], bins: int, *, by_probability: bool
) -> Float[Tensor, "cells 3"]:
    """Sums of each cell: of mass, of mass times probability, and of the mass of the predictions that came true.

    Args:
        predictions: Log-probability of each.
        hits: Log-probability of each that came true.
        bins: Bins of equal width whose edges the cells keep.
        by_probability: Give each prediction its probability as mass, and not 1.
    """
    count = CELLS_A_BIN * bins
    place, probability = cells(predictions, bins).flatten(), predictions.exp().flatten()
    true_place, true_probability = cells(hits, bins).flatten(), hits.exp().flatten()
    mass = probability if by_probability else torch.ones_like(probability)
    true_mass = true_probability if by_probability else torch.ones_like(true_probability)
    columns = (place, mass), (place, mass * probability), (true_place, true_mass)
    sums = [torch.bincount(at, each.double(), minlength=count).double() for at, each in columns]
    return torch.stack(sums, dim=-1)


def equal_width(bins: int) -> Int[Tensor, " cells"]:
    """Bin of each cell, all of the same width."""
    return torch.arange(CELLS_A_BIN * bins) // CELLS_A_BIN


def equal_mass(mass: Float[Tensor, " cells"], bins: int) -> Int[Tensor, " cells"]:
    """Bin of each cell, all of about the same mass: as near as whole cells allow; bins may be empty.

    >>> equal_mass(torch.tensor([1.0, 1.0, 2.0]), 2)
    tensor([0, 0, 1])
    """
    middle = mass.cumsum(0) - mass / 2
    return (middle * bins / mass.sum()).long().clamp(max=bins - 1)


def in_bins(sums: Float[Tensor, "R cells 3"], bin_of: Int[Tensor, " cells"], bins: int) -> Float[Tensor, "R bins 3"]:
    """Join the cells."""
    return sums.new_zeros(len(sums), bins, sums.shape[2]).index_add_(1, bin_of, sums)


def calibration_error(sums: Float[Tensor, "R bins 3"]) -> Float[Tensor, " R"]:
    r"""Expected calibration error, in [0, 1], from sums of mass, of mass times probability, and of mass come true.

    .. math::
        \frac{1}{\sum_i m_i} \sum_b \Big| \sum_{i \in b} m_i \, (\mathbb 1[i \text{ true}] - p_i) \Big|

    With the most probable token of each step as predictions of mass 1 it is
    :math:`\sum_b \frac{n_b}{L} |\mathrm{acc}_b - \mathrm{conf}_b|`; with all tokens, each with its probability as mass,
    the weighted error over the whole distribution. It is never negative, so that a calibrated model has a positive one
    too, which falls as the root of the number of predictions.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3; weighted: Kumar and Sarawagi,
    Calibration of Encoder Decoder Models for Neural Machine Translation, 2019, section 2.

    >>> calibration_error(torch.tensor([[[10.0, 8.0, 6.0], [10.0, 2.0, 3.0]]]))
    tensor([0.1500])
    """
    return (sums[..., 2] - sums[..., 1]).abs().sum(dim=1) / sums[..., 0].sum(dim=1)


def recalibrated(
    log_probabilities: Float[Tensor, "N V"], weights: Float[Tensor, " terms"], token: int
) -> Float[Tensor, "N V"]:
    r"""Log-probabilities at another temperature, with a bias on one token.

    .. math:: q(y) \propto p(y)^{w_1} \exp(w_2 \, \mathbb 1[y = \text{token}])

    ``weights`` is the inverse temperature, or it and the bias.
    """
    scores = log_probabilities * weights[0]
    if len(weights) > 1:
        scores[:, token] += weights[1]
    return torch.log_softmax(scores, dim=-1)


def derivatives(
    log_probabilities: Float[Tensor, "N V"], targets: Int[Tensor, " N"], weights: Float[Tensor, " terms"], token: int
) -> tuple[Float[Tensor, " N"], Float[Tensor, "N terms"], Float[Tensor, "N terms terms"]]:
    r"""Negative log-likelihood of each target under :func:`recalibrated`, its gradient and its second derivatives.

    The family is exponential, with the statistics :math:`f(y) = (\log p(y), \mathbb 1[y = \text{token}])`: the gradient
    is :math:`\mathbb E_q f - f(x)` and the second derivatives are :math:`\mathrm{Cov}_q f`, so that the cost is convex.
    """
    shown, terms = recalibrated(log_probabilities, weights.float(), token), len(weights)
    of_token, probability = shown[:, token].exp(), shown.exp()
    first = torch.einsum("nv,nv->n", probability, log_probabilities)
    second = torch.einsum("nv,nv->n", probability * log_probabilities, log_probabilities)
    mixed = of_token * log_probabilities[:, token]
    mean = torch.stack([first, of_token], dim=-1).double()
    moments = torch.stack([second, mixed, mixed, of_token], dim=-1).double().view(-1, 2, 2)
    statistics = torch.stack([log_probabilities.gather(1, targets[:, None])[:, 0], (targets == token).float()], dim=-1)
    covariance = moments - mean[:, :, None] * mean[:, None, :]
    cost = -shown.gather(1, targets[:, None])[:, 0].double()
    return cost, (mean - statistics)[:, :terms], covariance[:, :terms, :terms]


@dataclass(frozen=True)
class Sweep:
    """One pass over what is fitted: cost, gradient, second derivatives, and the sum of ``g g^T`` over sequences."""

    cost: float
    gradient: Float[Tensor, " terms"]
    curvature: Float[Tensor, "terms terms"]
    scatter: Float[Tensor, "terms terms"]


@dataclass(frozen=True)
class Fit:
    """Weights, their covariance, and the passes that they took."""

    weights: Float[Tensor, " terms"]
    covariance: Float[Tensor, "terms terms"]
    passes: int


def fit(sweep: Callable[[Tensor], Sweep], start: Float[Tensor, " terms"]) -> Fit:
    r"""Minimise a convex cost by Newton's method, one pass a step; a step that climbs is halved.

    The covariance :math:`C^{-1} (\sum_i g_i g_i^T) C^{-1}` allows for tokens of a sequence that depend on each other.

    Source: White, Maximum Likelihood Estimation of Misspecified Models, 1982, theorem 3.2.
    """
    weights, best, passes = start, sweep(start), 1
    step = _newton_step(weights, best)
    while passes < PASSES and bool((step.abs() > SMALLEST_STEP).any()):
        found, passes = sweep(weights + step), passes + 1
        if found.cost > best.cost:
            step = step / 2
        else:
            weights, best = weights + step, found
            step = _newton_step(weights, best)
    inverse = torch.linalg.inv(_positive(best.curvature))
    return Fit(weights, inverse @ best.scatter @ inverse, passes)


def _newton_step(weights: Tensor, at: Sweep) -> Tensor:
    """Step to the minimum of the quadratic, within the limits."""
    goal = weights - torch.linalg.solve(_positive(at.curvature), at.gradient)
    limited: Tensor = torch.clamp(goal, LOWER[: len(goal)], UPPER[: len(goal)])
    return limited - weights


def _positive(curvature: Tensor) -> Tensor:
    """Keep a direction that changes nothing, as the temperature of uniform predictions, from dividing by zero."""
    return curvature + 1e-9 * torch.eye(len(curvature), dtype=curvature.dtype)


def without(
    log_probabilities: Float[Tensor, "N V"], targets: Int[Tensor, " N"], token: int
) -> tuple[Float[Tensor, "K W"], Int[Tensor, " K"]]:
    """Predictions given that the token does not come, and what came instead, where it did not."""
    kept: Bool[Tensor, " N"] = targets != token
    others = torch.cat([log_probabilities[kept, :token], log_probabilities[kept, token + 1 :]], dim=1)
    rest = targets[kept]
    return torch.log_softmax(others, dim=-1), rest - (rest > token).long()
