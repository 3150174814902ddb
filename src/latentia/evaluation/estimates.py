"""A number and its standard error, as the evaluation writes them."""

from __future__ import annotations

import math
import sys

from torch import Tensor

from latentia.functional.importance import mean_and_standard_error, ratio_and_standard_error

Estimate = dict[str, float | None]
NO_NUMBER: Estimate = {"value": None, "standard_error": None}
"""Where something is not defined."""


def average(values: Tensor) -> Estimate:
    """Mean of a number of each sequence."""
    value, error = mean_and_standard_error(values)
    return {"value": value, "standard_error": error}


def variance(values: Tensor) -> Estimate:
    r"""Unbiased variance; its error is :math:`\sqrt{(m_4 - s^4) / N}` with the fourth central moment."""
    centred = (values - values.mean()).square()
    error = (centred.square().mean() - centred.mean().square()).clamp(min=0.0).div(len(values)).sqrt().item()
    return {"value": values.var().item(), "standard_error": error}


def ratio(values: Tensor, counts: Tensor) -> Estimate:
    """Sum of one number of each sequence over that of another; none where the latter is 0."""
    if not counts.sum() > 0:
        return NO_NUMBER
    value, error = ratio_and_standard_error(values, counts)
    return {"value": value, "standard_error": error}


def perplexity(nats: Tensor, counts: Tensor) -> Estimate:
    """Exponentiate the nats an item; none where no float holds it, as for text whose words are whole pages."""
    rate, error = ratio_and_standard_error(nats, counts)
    if rate >= math.log(sys.float_info.max):
        return NO_NUMBER
    return {"value": math.exp(rate), "standard_error": math.exp(rate) * error}
