"""Averages of importance weights in log space, with their standard errors."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def log_mean_exp(log_weights: Float[Tensor, "K *rows"]) -> Float[Tensor, " *rows"]:
    r"""Importance-weighted bound :math:`\log \tfrac1K \sum_k w_k` over the first axis, in nats.

    Its expectation never exceeds :math:`\log p(x)` and does not fall as ``K`` grows.

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, 2016, equation 8.

    >>> log_mean_exp(torch.zeros(5, 1))
    tensor([0.])
    """
    return torch.logsumexp(log_weights, dim=0) - math.log(log_weights.shape[0])


def mean_and_standard_error(values: Float[Tensor, " N"]) -> tuple[float, float]:
    r"""Mean and standard error :math:`s / \sqrt N`, computed in float64; the error of one value is NaN.

    >>> mean_and_standard_error(torch.tensor([1.0, 3.0]))
    (2.0, 1.0)
    """
    values = values.double()
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return values.mean().item(), error
