"""The fused vocabulary loss against the plain one."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from latentia.nn.vocabulary import token_log_prob


def inputs(dtype: torch.dtype = torch.float32, rows: int = 13):
    states = torch.randn(rows, 6).to(dtype).requires_grad_()
    weight, bias = torch.randn(17, 6, requires_grad=True), torch.randn(17, requires_grad=True)
    return states, weight, bias, torch.randint(17, (rows,))


def plain(states, weight, bias, tokens):
    return -functional.cross_entropy(functional.linear(states.float(), weight, bias), tokens, reduction="none")


@pytest.mark.parametrize("logits_at_a_time", [1, 17 * 5, 10**6])
@pytest.mark.parametrize("uniform", [True, False])
def test_value_and_gradients_equal_the_plain_loss(logits_at_a_time, uniform):
    states, weight, bias, tokens = inputs()
    factor = torch.full((13,), 0.7) if uniform else torch.randn(13)
    ours = token_log_prob(states, weight, bias, tokens, logits_at_a_time)
    expected = plain(states, weight, bias, tokens)
    torch.testing.assert_close(ours, expected)
    gradients = [torch.autograd.grad((value * factor).sum(), (states, weight, bias)) for value in (ours, expected)]
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("uniform", [True, False])
def test_weights_at_rest_change_no_other_gradient(uniform):
    states, weight, bias, tokens = inputs()
    factor = torch.full((13,), 0.7) if uniform else torch.randn(13)
    gradients = [
        torch.autograd.grad((token_log_prob(states, each, bias, tokens) * factor).sum(), (states, bias))
        for each in (weight, weight.detach())
    ]
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


def test_bfloat16_states_come_close():
    states, weight, bias, tokens = inputs(torch.bfloat16)
    ours = token_log_prob(states, weight, bias, tokens)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, plain(states, weight, bias, tokens), rtol=0.03, atol=0.05)
    ours.sum().backward()
    assert states.grad.dtype == torch.bfloat16
    assert weight.grad.dtype == torch.float32


def test_extreme_logits_stay_finite():
    states, weight, bias, tokens = inputs()
    ours = token_log_prob(states * 1e4, weight, bias, tokens)
    ours.sum().backward()
    assert ours.isfinite().all()
    assert weight.grad.isfinite().all()


def test_no_gradient_is_made_where_none_is_wanted(monkeypatch):
    states, weight, bias, tokens = inputs()
    expected = token_log_prob(states, weight, bias, tokens).detach()
    monkeypatch.setattr("latentia.nn.vocabulary._sweep_with_gradient", None)
    with torch.no_grad():
        torch.testing.assert_close(token_log_prob(states, weight, bias, tokens), expected)


def test_no_tensor_of_all_logits_is_kept():
    states, weight, bias, tokens = inputs(rows=400)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda x: x):
        token_log_prob(states, weight, bias, tokens, logits_at_a_time=17)
    assert max(kept) < 400 * 17


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_tiles_of_logits_give_the_value_in_double_precision(monkeypatch, scale):
    """Also where the sums over tiles lie so far apart that no float holds their exponentials."""
    monkeypatch.setattr("latentia.nn.vocabulary.LOGITS_OF_A_TILE", 20)
    monkeypatch.setattr("latentia.nn.vocabulary.TOKENS_OF_A_TILE", 5)
    states, weight, bias, tokens = inputs()
    with torch.no_grad():
        ours = token_log_prob(states * scale, weight, bias, tokens)
    logits = functional.linear((states * scale).double(), weight.double(), bias.double())
    expected = -functional.cross_entropy(logits, tokens, reduction="none")
    torch.testing.assert_close(ours, expected.float(), rtol=1e-5, atol=1e-3)
