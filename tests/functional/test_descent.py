"""Descent with gradients: against torch's own second derivatives, and against an exact optimum."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentia.functional.descent import descend

RATE, MOMENTUM, STEPS, B, D = 0.05, 0.5, 20, 4, 3


def cost(point: Tensor, noise: Tensor, weights: list[Tensor]) -> Tensor:
    """The negative ELBO of a small network that can be differentiated twice."""
    mean, log_variance = point.chunk(2, dim=-1)
    features = torch.tanh((mean + (0.5 * log_variance).exp() * noise) @ weights[0].T + weights[1])
    kl = 0.5 * (mean.square() + log_variance.expm1() - log_variance).sum(dim=-1)
    return 7 * (features - 0.3).square().sum(dim=-1) + 4 * features.prod(dim=-1) + kl


def by_autograd(start: Tensor, noise: Tensor, weights: list[Tensor], clip_norm: float) -> Tensor:
    """The same steps, kept in one graph."""
    point, velocity = start, torch.zeros_like(start)
    for each in noise:
        (gradient,) = torch.autograd.grad(cost(point, each, weights).sum(), point, create_graph=True)
        norm = gradient.norm(dim=-1, keepdim=True)
        velocity = MOMENTUM * velocity + gradient * (clip_norm / norm).clamp(max=1.0)
        point = point - RATE * velocity
    return point


def problem(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, list[Tensor]]:
    start = torch.randn(B, 2 * D, dtype=dtype, requires_grad=True)
    weights = [(0.7 * torch.randn(*shape, dtype=dtype)).requires_grad_() for shape in ((5, D), (5,))]
    return start, torch.randn(STEPS, B, D, dtype=dtype), weights


@pytest.mark.parametrize("clip_norm", [1e6, 1.0])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-7), (torch.float32, 1e-3)])
def test_meta_gradients_are_those_of_double_backward(clip_norm, dtype, error):
    """To the start and to the weights; detaching the result, or leaving out the cross term, would lose them."""
    start, noise, weights = problem(dtype)
    ours = descend(cost, start, noise, weights, RATE, MOMENTUM, clip_norm)
    exact = by_autograd(start, noise, weights, clip_norm)
    torch.testing.assert_close(ours, exact)
    outside = torch.randn_like(ours) / B
    gradients = [torch.autograd.grad((reached * outside).sum(), [start, *weights]) for reached in (ours, exact)]
    for mine, theirs in zip(*gradients, strict=True):
        assert (mine - theirs).norm() < error * theirs.norm()
        assert theirs.norm() > 1e-3


def test_clipping_that_acts_is_differentiated():
    """The case above is one where it acts: without, the gradients are others."""
    start, noise, weights = problem()
    reached = [descend(cost, start, noise, weights, RATE, MOMENTUM, clip_norm) for clip_norm in (0.0, 1.0)]
    free, clipped = (torch.autograd.grad(each.sum(), start)[0] for each in reached)
    assert (free - clipped).norm() > 0.1 * free.norm()


def test_both_passes_see_the_same_noise():
    seen: list[Tensor] = []

    def watched(point: Tensor, noise: Tensor, weights: list[Tensor]) -> Tensor:
        seen.append(noise.clone())
        return cost(point, noise, weights)

    start, noise, weights = problem()
    reached = descend(watched, start, noise, weights, RATE, MOMENTUM)
    assert torch.equal(torch.stack(seen), noise)
    seen.clear()
    reached.sum().backward()
    assert torch.equal(torch.stack(seen[::2]), noise.flip(0))
    assert torch.equal(torch.stack(seen[1::2]), noise.flip(0))


def test_rows_do_not_see_each_other():
    start, noise, weights = problem()
    together = descend(cost, start, noise, weights, RATE, MOMENTUM, 1.0, 1.5)
    (of_all,) = torch.autograd.grad(together.sum(), start)
    for row in range(B):
        alone = descend(cost, start[row : row + 1], noise[:, row : row + 1], weights, RATE, MOMENTUM, 1.0, 1.5)
        torch.testing.assert_close(alone[0], together[row])
        torch.testing.assert_close(torch.autograd.grad(alone.sum(), start)[0][row], of_all[row])


def test_steps_and_their_noise_can_be_taken_without_gradients():
    start, noise, weights = problem()
    with torch.no_grad():
        reached = descend(cost, start, noise, weights, RATE, MOMENTUM)
    assert not reached.requires_grad
    assert torch.equal(reached, descend(cost, start, noise, weights, RATE, MOMENTUM))


def test_weights_that_are_not_trained_get_nothing():
    start, noise, (weight, bias) = problem()
    descend(cost, start, noise, [weight, bias.detach()], RATE, MOMENTUM).sum().backward()
    assert weight.grad is not None
    assert bias.grad is None


def test_a_step_follows_no_more_than_the_largest_norm():
    start = torch.full((2, 1), 100.0)
    reached = descend(lambda x, _, __: x.square().sum(dim=1), start, torch.zeros(3, 1), [], 0.1, clip_norm=5.0)
    torch.testing.assert_close(reached, torch.full((2, 1), 98.5))


@pytest.mark.parametrize("growth", [0.0, 3.0])
def test_gradients_grow_no_longer_than_they_may(growth):
    """At the top of a hill each step doubles a difference: five of them make it 32 times as long."""
    start = torch.zeros(2, 1, dtype=torch.float64, requires_grad=True)
    steps = torch.zeros(5, 1, dtype=torch.float64)
    reached = descend(lambda x, _, __: -0.5 * x.square().sum(dim=1), start, steps, [], 1.0, growth=growth)
    (gradient,) = torch.autograd.grad((reached * torch.tensor([[1.0], [0.01]])).sum(), start)
    torch.testing.assert_close(gradient, torch.tensor([[1.0], [0.01]], dtype=torch.float64) * (growth or 32.0))


def test_no_gradient_in_is_no_gradient_out():
    start, noise, weights = problem(torch.float32)
    (descend(cost, start, noise, weights, RATE, MOMENTUM).sum() * 0).backward()
    assert all(torch.equal(source.grad, torch.zeros_like(source)) for source in (start, *weights))


def test_bfloat16_around_it_does_not_reach_the_differences():
    start, noise, weights = problem(torch.float32)
    gradients = []
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            reached = descend(cost, start, noise, weights, RATE, MOMENTUM)
            gradients.append(torch.autograd.grad(reached.sum(), [start, *weights]))
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))
