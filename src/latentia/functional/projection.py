"""Choosing a number of items, softly or not, with gradients to their scores."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

STEPS = 60
"""Halvings of the threshold's range: more than a float64 has digits."""
EDGE = 1e-9
"""What is nearer to a bound lies on it: where all items are tied and none or all are taken, nothing can move."""


def capped_simplex(
    scores: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], total: Float[Tensor, " B"]
) -> Float[Tensor, "B T"]:
    r"""Euclidean projection of the scores of each row onto :math:`\{ m \in [0, 1]^T : \sum_t m_t = k \}`.

    .. math:: m_t = \min(1, \max(0, s_t - \tau)), \qquad \sum_t m_t = k

    Only items where the mask holds take part; the others get 0. The gradient is that of the projection: between the
    bounds, what is left of the gradient when its mean is taken out; 0 at the bounds.

    Args:
        scores: ``s``.
        mask: True for the items of each row.
        total: ``k``, from 0 to the number of items.

    Source: Wang and Lu, Projection onto the Capped Simplex, 2015.

    >>> scores = torch.tensor([[3.0, 1.0, 0.5, 9.0]])
    >>> capped_simplex(scores, torch.tensor([[True, True, True, False]]), torch.tensor([1.5])).round(decimals=4)
    tensor([[1.0000, 0.5000, 0.0000, 0.0000]])
    """
    result: Tensor = _CappedSimplex.apply(scores, mask, total)  # type: ignore[no-untyped-call]
    return result


class _CappedSimplex(torch.autograd.Function):
    @staticmethod
    def forward(ctx, scores, mask, total):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        exact = scores.double()  # far from 0 a float32 has no digits left for differences below 1
        # Past the bounds every row sums to its length on the left and to 0 on the right of the range.
        low = exact.masked_fill(~mask, torch.inf).amin(dim=1, keepdim=True) - 1
        high = exact.masked_fill(~mask, -torch.inf).amax(dim=1, keepdim=True)
        for _ in range(STEPS):
            middle = (low + high) / 2
            too_much = _clipped(exact, mask, middle).sum(dim=1, keepdim=True) > total[:, None]
            low, high = torch.where(too_much, middle, low), torch.where(too_much, high, middle)
        projected = _clipped(exact, mask, (low + high) / 2)
        ctx.save_for_backward((projected > EDGE) & (projected < 1 - EDGE))
        return projected.to(scores.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        (between,) = ctx.saved_tensors
        inside = gradient * between
        mean = inside.sum(dim=1, keepdim=True) / between.sum(dim=1, keepdim=True).clamp(min=1)
        return inside - mean * between, None, None


def _clipped(scores: Tensor, mask: Tensor, threshold: Tensor) -> Tensor:
    return (scores - threshold).clamp(0.0, 1.0).masked_fill(~mask, 0.0)


def largest(
    scores: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], total: Float[Tensor, " B"]
) -> Float[Tensor, "B T"]:
    """Return 1 for the ``total`` largest scores of each row and 0 elsewhere, with the gradient of the projection.

    >>> largest(torch.tensor([[3.0, 1.0, 2.0]]), torch.ones(1, 3, dtype=torch.bool), torch.tensor([2.0]))
    tensor([[1., 0., 1.]])
    """
    soft = capped_simplex(scores, mask, total)
    rank = scores.masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True).argsort(dim=1)
    hard = ((rank < total[:, None]) & mask).to(soft.dtype)
    return hard + (soft - soft.detach())  # in this order, exactly 0 and 1


def reversed_gradient(values: Tensor) -> Tensor:
    """Return the values, with the opposite gradient: who made them is trained to raise what the rest lowers.

    Source: Ganin and Lempitsky, Unsupervised Domain Adaptation by Backpropagation, 2015, equation 6.
    """
    return 2 * values.detach() - values
