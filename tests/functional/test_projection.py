"""The projection that chooses what is seen."""

from __future__ import annotations

import pytest
import torch
from scipy.optimize import minimize

from latentia.functional.projection import capped_simplex, largest, reversed_gradient


def rows(count: int, width: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    lengths = torch.randint(1, width + 1, (count,))
    mask = torch.arange(width) < lengths[:, None]
    return torch.randn(count, width, dtype=dtype) * 2, mask, (torch.rand(count, dtype=dtype) * lengths).round()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_sum_to_their_number_within_bounds_and_nothing_stands_at_padding(dtype):
    scores, mask, total = rows(200, 9, dtype)
    projected = capped_simplex(scores, mask, total)
    torch.testing.assert_close(projected.sum(dim=1), total, atol=1e-5, rtol=0)
    assert ((projected >= 0) & (projected <= 1)).all()
    assert (projected[~mask] == 0).all()
    torch.testing.assert_close(capped_simplex(projected, mask, total), projected, atol=1e-5, rtol=0)


def test_it_is_the_nearest_point():
    scores, mask, total = rows(200, 6)
    projected = capped_simplex(scores, mask, total)
    for row in range(200):
        kept = scores[row, mask[row]].numpy()
        solved = minimize(
            lambda point, kept=kept: ((point - kept) ** 2).sum(),
            x0=[total[row].item() / len(kept)] * len(kept),
            bounds=[(0, 1)] * len(kept),
            tol=1e-12,
            constraints={"type": "eq", "fun": lambda point, row=row: point.sum() - total[row].item()},
        )
        torch.testing.assert_close(projected[row, mask[row]], torch.from_numpy(solved.x), atol=1e-4, rtol=0)


def test_gradients_equal_finite_differences():
    scores, mask, total = rows(8, 6)
    total = torch.where(total == mask.sum(dim=1), total - 0.5, total + 0.25)
    assert torch.autograd.gradcheck(lambda s: capped_simplex(s, mask, total), scores.requires_grad_(), eps=1e-7)


SCORES = {
    "equal": torch.zeros(1, 50),
    "equal and far from zero": torch.full((1, 50), 1e4),
    "of two values": torch.tensor([0.0, 1.0] * 25)[None],
    "far apart": 1e6 * torch.linspace(-1, 1, 50)[None].sin(),
    "hardly apart": 1e-8 * torch.linspace(-1, 1, 50)[None],
}


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("count", [0, 1, 17, 49, 50])
def test_float32_scores_that_are_tied_or_far_from_zero_still_sum_to_their_number(name, count):
    scores, mask, total = SCORES[name].clone().requires_grad_(), torch.ones(1, 50).bool(), torch.tensor([float(count)])
    soft, hard = capped_simplex(scores, mask, total), largest(scores, mask, total)
    assert soft.sum().item() == pytest.approx(count, abs=1e-5)
    assert ((soft >= 0) & (soft <= 1)).all()
    assert hard.sum().item() == count
    assert set(hard.unique().tolist()) <= {0.0, 1.0}
    (gradient,) = torch.autograd.grad((soft * torch.randn(1, 50)).sum(), scores)
    assert gradient.isfinite().all()
    if count in (0, 50):
        assert gradient.abs().max() == 0


def test_the_hard_choice_is_of_the_largest_and_moves_as_the_soft_one():
    scores, mask, total = rows(50, 7)
    scores.requires_grad_()
    hard, soft = largest(scores, mask, total), capped_simplex(scores, mask, total)
    assert set(hard.unique().tolist()) <= {0.0, 1.0}
    torch.testing.assert_close(hard.sum(dim=1), total)
    weights = torch.randn_like(scores)
    for one, other in zip(*(torch.autograd.grad((m * weights).sum(), scores) for m in (hard, soft)), strict=True):
        torch.testing.assert_close(one, other)


def test_the_reversed_gradient_is_the_negative():
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reversed_gradient(x)
    assert torch.equal(y, x)
    assert torch.autograd.grad((y * torch.tensor([3.0, 4.0])).sum(), x)[0].tolist() == [-3.0, -4.0]
