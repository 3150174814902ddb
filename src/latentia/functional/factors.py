"""How the dimensions of a code and the factors that made an example belong together.

Letters: ``D`` dimensions of the code, ``F`` factors, ``L`` levels of all factors together.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from latentia.functional.aggregate import LOG_TWO_PI

CHUNK = 2**22


@torch.no_grad()
def pointwise_information(
    codes: Float[Tensor, "N D"],
    mean: Float[Tensor, "N D"],
    log_variance: Float[Tensor, "N D"],
    factors: Int[Tensor, "N F"],
    chunk: int = CHUNK,
) -> Float64[Tensor, "N D F"]:
    r"""Information of a draw of each dimension about each factor of its example, in nats.

    .. math::
        i_{njk} = \log \frac{q(z_{nj} \mid v_{nk})}{q(z_{nj})}, \qquad
        q(z_j \mid v) = \frac{1}{N_v} \sum_{m : v_{mk} = v} q(z_j | x_m), \qquad
        q(z_j) = \frac1N \sum_m q(z_j | x_m)

    Its mean over the examples estimates :math:`I(z_j; v_k)`. Both mixtures hold the draw's own example, so that the
    mean is biased upwards, to :math:`H(v_k)` where posteriors are much narrower than the distances between them.

    Args:
        codes: One draw from each posterior.
        mean: Means of the posteriors ``q(z|x_n)``.
        log_variance: Their log-variances.
        factors: Level of each factor, counted from 0.
        chunk: Numbers held at once.

    Source: Chen et al., Isolating Sources of Disentanglement in Variational Autoencoders, 2018, section 4.
    """
    rows = range(0, len(codes), max(1, chunk // len(codes)))
    members, place = _members(factors)
    share = members.sum(dim=0) / len(codes)
    columns = []
    for each in zip(codes.double().T, mean.double().T, log_variance.double().T, strict=True):
        parts = [_level_shares(each, slice(start, start + rows.step), members) for start in rows]
        columns.append((torch.cat(parts) / share).gather(1, place).log())
    return torch.stack(columns, dim=1)


def _members(factors: Int[Tensor, "N F"]) -> tuple[Float64[Tensor, "N L"], Int[Tensor, "N F"]]:
    """Which example has which level, the levels of all factors side by side, and the columns of each example's own."""
    sizes = factors.amax(dim=0) + 1
    place = factors + sizes.cumsum(dim=0) - sizes
    members = torch.zeros(len(factors), int(sizes.sum()), dtype=torch.float64)
    return members.scatter_(1, place, 1.0), place


def _level_shares(column: tuple[Tensor, Tensor, Tensor], rows: slice, members: Tensor) -> Float64[Tensor, "P L"]:
    """Probability of each level given each of some draws of one dimension, those of a factor summing to 1."""
    codes, mean, log_variance = column
    distance = (codes[rows, None] - mean) * (-0.5 * log_variance).exp()
    weights = (-0.5 * (distance.square() + log_variance + LOG_TWO_PI)).softmax(dim=1)
    shares: Tensor = weights @ members
    return shares


def entropy(counts: Float[Tensor, "*rows K"]) -> Float64[Tensor, "*rows"]:
    r"""Entropy :math:`-\sum_k p_k \log p_k` of shares that are proportional to the counts, in nats; 0 of no counts.

    >>> entropy(torch.tensor([1.0, 1.0, 0.0]))
    tensor(0.6931, dtype=torch.float64)
    """
    total = counts.double().sum(dim=-1, keepdim=True)
    shares = counts.double() / torch.where(total > 0, total, 1.0)
    each: Tensor = torch.special.entr(shares)
    return each.sum(dim=-1)


def information_gaps(
    information: Float64[Tensor, "*rows D F"], entropies: Float64[Tensor, "*rows F"]
) -> Float64[Tensor, "*rows F"]:
    r"""Share of each factor's entropy by which the best dimension knows more of it than the second best.

    .. math:: \frac{1}{H(v_k)} \Big( I(z_{j^{(k)}}; v_k) - \max_{j \ne j^{(k)}} I(z_j; v_k) \Big)

    Their mean over the factors is the mutual information gap. The entropy is that of the factor, not the logarithm of
    its levels, which is larger unless all are as frequent.

    Source: Chen et al., Isolating Sources of Disentanglement in Variational Autoencoders, 2018, equation 6.
    """
    best, second = information.topk(2, dim=-2).values.unbind(dim=-2)
    return (best - second) / entropies


def disentanglement(importance: Float[Tensor, "D F"]) -> Float64[Tensor, ""]:
    r"""How far each dimension matters to one factor alone, from 0 to 1.

    .. math::
        D = \sum_j \rho_j \Big( 1 + \sum_k P_{jk} \log_F P_{jk} \Big), \qquad
        P_{jk} = \frac{R_{jk}}{\sum_l R_{jl}}, \qquad \rho_j = \frac{\sum_k R_{jk}}{\sum_{jk} R_{jk}}

    Args:
        importance: ``R``, of each dimension in predicting each factor, not negative.

    Source: Eastwood and Williams, A Framework for the Quantitative Evaluation of Disentangled Representations, 2018,
    section 2.

    >>> disentanglement(torch.eye(3)), disentanglement(torch.ones(2, 3)).abs() < 1e-9
    (tensor(1., dtype=torch.float64), tensor(True))
    """
    weights = importance.double().sum(dim=1)
    alone = 1 - entropy(importance) / math.log(importance.shape[1])
    score: Tensor = (weights @ alone) / weights.sum()
    return score


def completeness(importance: Float[Tensor, "D F"]) -> Float64[Tensor, " F"]:
    r"""How far each factor depends on one dimension alone, from 0 to 1; NaN where it depends on none.

    .. math:: C_k = 1 + \sum_j P_{jk} \log_D P_{jk}, \qquad P_{jk} = \frac{R_{jk}}{\sum_i R_{ik}}

    Args:
        importance: ``R``, of each dimension in predicting each factor, not negative.

    Source: Eastwood and Williams, 2018, section 2.
    """
    alone = 1 - entropy(importance.T) / math.log(importance.shape[0])
    return alone.where(importance.sum(dim=0) > 0, math.nan)
