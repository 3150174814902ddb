"""Gradient descent as a function that has gradients itself, of costs that have none of the second order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

UNLIMITED = 1e30
"""A length that no row has; finite, because so many times a length of 0 must be 0."""

Cost = Callable[[Tensor, Tensor, Sequence[Tensor]], Tensor]
"""Cost of each row, ``[B]``, at points ``[B, P]``, under the noise of one step, with the weights."""


def descend(
    cost: Cost,
    start: Float[Tensor, "B P"],
    noise: Float[Tensor, "K *draw"],
    weights: Sequence[Tensor],
    learning_rate: float,
    momentum: float = 0.0,
    clip_norm: float = 0.0,
    growth: float = 0.0,
) -> Float[Tensor, "B P"]:
    r"""Take ``K`` steps down the cost of each row; the result has gradients to the start and to the weights.

    .. math::
        v_{k+1} = m \, v_k + \mathrm{clip}(\nabla_\lambda f_k(\lambda_k, \theta)), \qquad
        \lambda_{k+1} = \lambda_k - a \, v_{k+1}

    The backward pass walks the steps from the last to the first, each with the noise that it had,

    .. math::
        \bar v_{k+1} = m \, \bar v_{k+2} - a \, \bar\lambda_{k+1}, \quad
        u = J_\mathrm{clip}^T \, \bar v_{k+1}, \quad
        \bar\lambda_k = \bar\lambda_{k+1} + \nabla^2_{\lambda \lambda} f_k \, u, \quad
        \bar\theta \leftarrow \bar\theta + \nabla^2_{\theta \lambda} f_k \, u

    and takes the products with second derivatives from central differences of first ones, which every layer has.
    Autocasting is off within: the rounding errors of bfloat16 are larger than the differences.

    Args:
        cost: Cost of each row, which must not depend on other rows.
        start: Where each row begins.
        noise: Noise of each step.
        weights: What the cost depends on beside the points; it gets them anew in every call.
        learning_rate: ``a``.
        momentum: ``m``.
        clip_norm: Largest norm of the gradient of a row that a step follows; 0 clips nothing.
        growth: How many times as long as it came in the gradient of a row may be on its way back; 0 sets no limit.

    Source: Kim et al., Semi-Amortized Variational Autoencoders, 2018, algorithm 1 and section 3.1; the differences of
    LeCun et al., Automatic Learning Rate Maximization by On-Line Estimation of the Hessian's Eigenvectors, 1993.

    >>> descend(
    ...     lambda x, _, w: w[0] * x.square().sum(dim=1), torch.ones(1, 2), torch.zeros(3, 1), [torch.ones(1)], 0.25
    ... )
    tensor([[0.1250, 0.1250]])
    """
    settings = (learning_rate, momentum, clip_norm or UNLIMITED, growth or UNLIMITED)
    reached: Tensor = _Descent.apply(cost, settings, noise, start, *weights)  # type: ignore[no-untyped-call]
    return reached


class _Descent(torch.autograd.Function):
    """The two passes of :func:`descend`; of the steps, the points and the gradients are kept."""

    @staticmethod
    def forward(ctx, cost, settings, noise, start, *weights):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN002, ANN205
        ctx.cost, ctx.settings = cost, settings
        rate, momentum, clip_norm, _ = settings
        point, velocity, points, gradients = start, torch.zeros_like(start), [], []
        for each in noise:
            (gradient,) = _gradients(cost, point, each, weights)
            points.append(point)
            gradients.append(gradient)
            velocity = momentum * velocity + _limited(gradient, clip_norm)
            point = point - rate * velocity
        ctx.save_for_backward(noise, torch.stack(points), torch.stack(gradients), *weights)
        return point

    @staticmethod
    @once_differentiable
    def backward(ctx, adjoint):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        noise, points, gradients, *weights = ctx.saved_tensors
        rate, momentum, clip_norm, growth = ctx.settings
        wanted = [number for number, needed in enumerate(ctx.needs_input_grad[4:]) if needed]
        to_weights = [torch.zeros_like(weights[number]) for number in wanted]
        longest, velocity = growth * adjoint.norm(dim=-1, keepdim=True), torch.zeros_like(adjoint)
        for each, point, gradient in zip(*(part.flip(0) for part in (noise, points, gradients)), strict=True):
            velocity = momentum * velocity - rate * adjoint
            direction = _through_limit(velocity, gradient, clip_norm)
            along, *cross = _curvature(ctx.cost, point, each, weights, wanted, direction)
            adjoint = _limited(adjoint + along, longest)
            for total, part in zip(to_weights, cross, strict=True):
                total += part
        given = dict(zip(wanted, to_weights, strict=True))
        return None, None, None, adjoint, *(given.get(number) for number in range(len(weights)))


def _gradients(
    cost: Cost, point: Tensor, noise: Tensor, weights: Sequence[Tensor], wanted: Sequence[int] = ()
) -> tuple[Tensor, ...]:
    """Gradients of the summed cost to the point and to the wanted ones of the weights."""
    with torch.enable_grad(), torch.autocast(point.device.type, enabled=False):
        point = point.detach().requires_grad_()
        weights = [weight.detach().requires_grad_(number in wanted) for number, weight in enumerate(weights)]
        total = cost(point, noise, weights).sum()
        sources = [point, *(weights[number] for number in wanted)]
        return torch.autograd.grad(total, sources, allow_unused=True, materialize_grads=True)


def _curvature(
    cost: Cost, point: Tensor, noise: Tensor, weights: Sequence[Tensor], wanted: Sequence[int], direction: Tensor
) -> list[Tensor]:
    """Derivatives of the gradients where the point moves along the direction.

    One reach serves all rows: the gradients to the weights are sums over rows, which no reach of its own could be
    divided out of.
    """
    machine = torch.finfo(point.dtype)
    reach = machine.eps ** (1 / 3) / direction.norm(dim=-1).amax().clamp(min=machine.tiny)
    ahead = _gradients(cost, point + reach * direction, noise, weights, wanted)
    behind = _gradients(cost, point - reach * direction, noise, weights, wanted)
    return [(after - before) / (2 * reach) for after, before in zip(ahead, behind, strict=True)]


def _limited(vectors: Float[Tensor, "B P"], longest: Tensor | float) -> Float[Tensor, "B P"]:
    """Shorten each row to a largest norm."""
    norm = vectors.norm(dim=-1, keepdim=True)
    share: Tensor = longest / norm.clamp(min=torch.finfo(norm.dtype).tiny)
    return vectors * share.clamp(max=1.0)


def _through_limit(
    adjoint: Float[Tensor, "B P"], vectors: Float[Tensor, "B P"], longest: float
) -> Float[Tensor, "B P"]:
    """Take a gradient to the shortened rows back to the rows: along a row that was shortened nothing comes through."""
    norm = vectors.norm(dim=-1, keepdim=True)
    unit = vectors / norm.clamp(min=torch.finfo(norm.dtype).tiny)
    across = adjoint - unit * (unit * adjoint).sum(dim=-1, keepdim=True)
    through: Tensor = longest / norm * across
    return through.where(norm > longest, adjoint)
