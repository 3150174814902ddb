"""The training form of the mixture: value, gradient and memory."""

from __future__ import annotations

import math

import pytest
import torch

from latentia.functional.aggregate import mean_log_mixture


def inputs(samples: int = 12, components: int = 5, dimensions: int = 3, dtype: torch.dtype = torch.float64):
    shapes = ((samples, dimensions), (components, dimensions), (components, dimensions))
    return tuple(torch.randn(*shape, dtype=dtype).requires_grad_() for shape in shapes)


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("chunk", [1, 40, 10**6])
def test_gradients_equal_finite_differences(joint, chunk):
    assert torch.autograd.gradcheck(lambda *tensors: mean_log_mixture(*tensors, joint, chunk), inputs())


@pytest.mark.parametrize("joint", [True, False])
def test_value_equals_torch(joint):
    samples, mean, log_variance = inputs()
    parts = torch.distributions.Normal(mean, (0.5 * log_variance).exp()).log_prob(samples[:, None])
    expected = (parts.sum(-1, keepdim=True) if joint else parts).logsumexp(1).mean(0) - math.log(5)
    torch.testing.assert_close(mean_log_mixture(samples, mean, log_variance, joint), expected)


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("log_variance", [-14.0, 14.0])
@pytest.mark.parametrize("distance", [0.0, 1e3])
def test_finite_at_the_ends_of_the_range(joint, log_variance, distance):
    """A mixture of densities, not log-densities, would be log(0) here."""
    samples, mean, _ = inputs(dtype=torch.float32)
    variances = torch.full_like(mean, log_variance).requires_grad_()
    value = mean_log_mixture(samples + distance, mean, variances, joint)
    value.sum().backward()
    assert all(tensor.isfinite().all() for tensor in (value, samples.grad, mean.grad, variances.grad))


def test_nothing_of_the_size_of_all_pairs_is_kept():
    samples, mean, log_variance = inputs(2000, 200, 8, torch.float32)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda x: x):
        mean_log_mixture(samples, mean, log_variance, joint=False)
    assert sum(kept) <= 2 * (samples.numel() + 2 * mean.numel())
