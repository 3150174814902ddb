"""A discriminator that is known, of codes that are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from latentia.distributions import DiagonalGaussian
from latentia.evaluation import DiscriminatorAccuracy
from tests.laws.tables import D, subject


@pytest.fixture
def found():
    """Codes of mean -1.5 and variance 1/4 in one dimension, and a discriminator that asks whether that is over -0.5."""
    examined = subject("TextVAE-adversary")
    mean, log_variance = torch.zeros(D), torch.zeros(D)
    mean[0], log_variance[0] = -1.5, np.log(0.25)
    examined.model.infer = lambda batch, _=1.0: DiagonalGaussian(
        mean.expand(len(batch), -1), log_variance.expand(len(batch), -1)
    )
    first, _, last = examined.model.auxiliary.discriminator
    for weight in (first.weight, first.bias, last.weight, last.bias):
        torch.nn.init.zeros_(weight)
    with torch.no_grad():
        first.weight[:2, 0] = torch.tensor([1.0, -1.0])
        last.weight[0, :2] = torch.tensor([1.0, -1.0])  # relu(z) - relu(-z) is z
        last.bias.fill_(0.5)
    rows = np.tile(examined.held_out.rows, 250)
    return DiscriminatorAccuracy().measure(replace(examined, held_out=replace(examined.held_out, rows=rows)))


def test_the_accuracy_is_the_share_told_right_of_both(found):
    told = Normal(-1.5, 0.5).cdf(torch.tensor(-0.5)), 1 - Normal(0, 1).cdf(torch.tensor(-0.5))
    accuracy = found["accuracy"]
    assert accuracy["value"] == pytest.approx(sum(told).item() / 2, abs=4 * accuracy["standard_error"])
    assert 0 < accuracy["standard_error"] < 0.01


def test_the_moments_are_those_of_the_codes(found):
    for mean, expected in zip(found["means"], [-1.5, *[0.0] * (D - 1)], strict=True):
        assert mean["value"] == pytest.approx(expected, abs=4 * mean["standard_error"])
    for variance, expected in zip(found["variances"], [0.25, *[1.0] * (D - 1)], strict=True):
        assert variance["value"] == pytest.approx(expected, abs=4 * variance["standard_error"])


def test_a_person_is_shown_the_dimension_farthest_from_the_prior(found):
    _, mean, variance = DiscriminatorAccuracy().lines(found)
    assert mean[1] == f"{found['means'][0]['value']:.3f}"
    assert variance[1].startswith(f"{found['variances'][0]['value']:.3f} to ")


def test_a_model_without_a_discriminator_is_told_so():
    assert "no discriminator" in DiscriminatorAccuracy().unfit(subject())
