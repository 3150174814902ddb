"""The training form of the mixture: value, gradient and memory."""

from __future__ import annotations

import math

import pytest
import torch

from latentia.functional.aggregate import log_sum_of_exponentials, mean_log_mixture


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
@pytest.mark.parametrize("log_variance", [-30.0, -14.0, 10.0, 14.0])
@pytest.mark.parametrize("distance", [0.0, 1e3])
def test_finite_at_the_ends_of_the_range(joint, log_variance, distance):
    """A mixture of densities, not log-densities, would be log(0) here."""
    samples, mean, _ = inputs(dtype=torch.float32)
    variances = torch.full_like(mean, log_variance).requires_grad_()
    value = mean_log_mixture(samples + distance, mean, variances, joint)
    value.sum().backward()
    assert all(tensor.isfinite().all() for tensor in (value, samples.grad, mean.grad, variances.grad))


@pytest.mark.parametrize("joint", [True, False])
def test_value_and_gradients_equal_torch_where_most_components_are_far_below_the_largest(joint):
    """Posteriors a hundred times narrower than their spread: most responsibilities would be subnormal or zero."""
    ours = inputs(200, 20, 4)[:2]
    samples, mean = (tensor.detach().float().requires_grad_() for tensor in ours)
    variances = torch.full_like(mean, -9.0).requires_grad_()
    expected_of = [tensor.detach().double().requires_grad_() for tensor in (samples, mean, variances)]
    parts = torch.distributions.Normal(expected_of[1], (0.5 * expected_of[2]).exp()).log_prob(expected_of[0][:, None])
    expected = (parts.sum(-1, keepdim=True) if joint else parts).logsumexp(1).mean(0) - math.log(20)
    expected.sum().backward()
    value = mean_log_mixture(samples, mean, variances, joint)
    value.sum().backward()
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)
    for tensor, reference in zip((samples, mean, variances), expected_of, strict=True):
        torch.testing.assert_close(tensor.grad.double(), reference.grad, rtol=1e-4, atol=1e-4)


def test_nothing_of_the_size_of_all_pairs_is_kept():
    samples, mean, log_variance = inputs(2000, 200, 8, torch.float32)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda x: x):
        mean_log_mixture(samples, mean, log_variance, joint=False)
    assert sum(kept) <= 2 * (samples.numel() + 2 * mean.numel())


@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("level", [0.0, 1e6, -1e6])
def test_a_sum_of_exponentials_in_single_precision_errs_by_less_than_a_millionth(spread, level):
    """Also of ten thousand equal terms; a sum formed in float32 from the start would err by 0.06 at 1e6."""
    terms = (level + spread * torch.randn(50, 10_000)).double() + torch.rand(50, 10_000, dtype=torch.float64)
    exact = terms.logsumexp(dim=1)
    assert (log_sum_of_exponentials(terms) - exact).abs().max().item() < 1e-6


def test_a_term_that_is_left_out_adds_nothing():
    terms = torch.tensor([[0.0, -torch.inf, -torch.inf]], dtype=torch.float64)
    assert log_sum_of_exponentials(terms).item() == pytest.approx(0.0, abs=1e-20)
