"""Numbers and their errors."""

from __future__ import annotations

import pytest
import torch

from latentia.evaluation.estimates import NO_NUMBER, ratio


def test_a_ratio_is_of_the_sums_and_its_error_that_of_the_residuals():
    found = ratio(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([1.0, 1.0, 2.0]))
    assert found["value"] == pytest.approx(9 / 4)
    residuals = torch.tensor([1 - 9 / 4, 2 - 9 / 4, 6 - 2 * 9 / 4])
    error = residuals.var(correction=1).div(3).sqrt() / (4 / 3)
    assert found["standard_error"] == pytest.approx(error.item())


def test_a_ratio_to_nothing_is_not_defined():
    assert ratio(torch.tensor([1.0, 2.0]), torch.zeros(2)) == NO_NUMBER
