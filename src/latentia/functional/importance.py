"""Averages of importance weights in log space, and standard errors of averages."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Real
from torch import Tensor


def log_mean_exp(log_weights: Float[Tensor, "K *rows"]) -> Float[Tensor, " *rows"]:
    r"""Importance-weighted bound :math:`\log \tfrac1K \sum_k w_k` over the first axis, in nats.

    Its expectation never exceeds :math:`\log p(x)` and does not fall as ``K`` grows.

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, 2016, equation 8.

    >>> log_mean_exp(torch.zeros(5, 1))
    tensor([0.])
    """
    return torch.logsumexp(log_weights, dim=0) - math.log(log_weights.shape[0])


def log_mean_exp_error(log_weights: Float[Tensor, "K *rows"]) -> Float[Tensor, " *rows"]:
    r"""Standard error of :func:`log_mean_exp` over draws, by the delta method, in nats.

    .. math:: \mathrm{se} = \frac{s_w}{\sqrt K \, \bar w}, \qquad s_w^2 = \frac{1}{K - 1} \sum_k (w_k - \bar w)^2

    It is 0 where all weights are alike and 1 where one draw carries the sum, however wrong the estimate is then; of a
    single draw it is NaN.

    Source: Owen, Monte Carlo Theory, Methods and Examples, 2013, section 2.7 (delta method).

    >>> log_mean_exp_error(torch.tensor([3.0, 1.0]).log())
    tensor(0.5000)
    """
    draws = log_weights.shape[0]
    return (draws * log_weights.softmax(dim=0)).std(dim=0) / math.sqrt(draws)


def grouped_log_mean_exp(log_weights: Float[Tensor, "K *rows"], size: int) -> Float[Tensor, " *rows"]:
    r"""Importance-weighted bound of ``size`` draws, from all ``K`` at hand: the mean over disjoint groups of so many.

    .. math::
        \frac1G \sum_{g=1}^{G} \log \frac1k \sum_{i=(g-1)k+1}^{gk} w_i, \qquad G = \lfloor K / k \rfloor

    It has the expectation of the bound of ``k`` draws, and less noise than one of it; draws left over are not used.

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, 2016, equation 8, of each group.

    >>> grouped_log_mean_exp(torch.tensor([1.0, 1.0, 3.0, 3.0, 9.0]), 2)
    tensor(2.)
    """
    groups = log_weights[: len(log_weights) // size * size].unflatten(0, (-1, size))
    return (torch.logsumexp(groups, dim=1) - math.log(size)).mean(dim=0)


def largest_weight(log_weights: Float[Tensor, "K *rows"]) -> Float[Tensor, " *rows"]:
    """Share of the largest of the normalised weights, from ``1 / K`` where all are alike to 1 where one draw is all.

    >>> largest_weight(torch.tensor([3.0, 1.0, 1.0]).log())
    tensor(0.6000)
    """
    return log_weights.softmax(dim=0).amax(dim=0)


def effective_sample_size(log_weights: Float[Tensor, "K *rows"]) -> Float[Tensor, " *rows"]:
    r"""Draws from the target that the weighted ones are worth, :math:`(\sum_k w_k)^2 / \sum_k w_k^2`, from 1 to ``K``.

    A proposal that misses mass which it never draws looks perfect here.

    Source: Kong, Liu and Wong, Sequential Imputations and Bayesian Missing Data Problems, 1994, section 4.1.

    >>> effective_sample_size(torch.zeros(4))
    tensor(4.)
    """
    return 1 / log_weights.softmax(dim=0).square().sum(dim=0)


def ladder(largest: int) -> list[int]:
    """Numbers 1, 2, 5, 10, 20, 50, ... below the largest, and the largest.

    >>> ladder(64)
    [1, 2, 5, 10, 20, 50, 64]
    """
    steps = [digit * 10**power for power in range(len(str(largest))) for digit in (1, 2, 5)]
    return [step for step in steps if step < largest] + [largest]


def mean_and_standard_error(values: Float[Tensor, " N"]) -> tuple[float, float]:
    r"""Mean and standard error :math:`s / \sqrt N`, computed in float64; the error of one value is NaN.

    >>> mean_and_standard_error(torch.tensor([1.0, 3.0]))
    (2.0, 1.0)
    """
    values = values.double()
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return values.mean().item(), error


def ratio_and_standard_error(values: Float[Tensor, " N"], counts: Real[Tensor, " N"]) -> tuple[float, float]:
    r"""Ratio of two sums over the same sequences, as nats to words, computed in float64.

    .. math::
        R = \frac{\sum_i v_i}{\sum_i c_i}, \qquad
        \mathrm{se}^2 = \frac{N}{N - 1} \, \frac{\sum_i (v_i - R c_i)^2}{(\sum_i c_i)^2}

    Long sequences have more of both, so that the ratio is known far better than the sum of the values.

    Source: Cochran, Sampling Techniques, 1977, chapter 6.

    >>> ratio_and_standard_error(torch.tensor([2.0, 8.0]), torch.tensor([1, 4]))
    (2.0, 0.0)
    """
    values, counts = values.double(), counts.double()
    ratio = (values.sum() / counts.sum()).item()
    spread = (values - ratio * counts).square().sum().item() * len(values) / max(1, len(values) - 1)
    return ratio, math.sqrt(spread) / counts.sum().item()
