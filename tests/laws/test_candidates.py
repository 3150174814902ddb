"""The best tokens of a state, however they are found."""

from __future__ import annotations

import pytest
import torch

from latentia.nn.candidates import PATCH, STATES_AT_A_TIME, most_probable
from latentia.shapes import BOS, PAD
from tests.laws.tables import model


def exactly(states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, count: int):
    return torch.log_softmax(states.double() @ weight.double().T + bias.double(), dim=-1).topk(count, dim=-1)


@pytest.mark.parametrize("tokens", [PATCH - 1, 5 * PATCH, 5 * PATCH + 1, 3000])
@pytest.mark.parametrize("rows", [1, STATES_AT_A_TIME, STATES_AT_A_TIME + 3])
@pytest.mark.parametrize("count", [1, 5])
def test_the_best_are_those_of_all_log_probabilities(tokens, rows, count):
    states, weight, bias = torch.randn(rows, 7), torch.randn(tokens, 7), torch.randn(tokens)
    bias[[0, tokens // 2]] = -torch.inf
    values, found = most_probable(states, weight, bias, count)
    wanted = exactly(states, weight, bias, count)
    assert torch.equal(found, wanted.indices)
    torch.testing.assert_close(values.double(), wanted.values, rtol=1e-4, atol=1e-4)
    _, ordered = most_probable(states, weight, bias, count, normalised=False)
    assert torch.equal(ordered, wanted.indices)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_logits_have_log_probabilities(dtype):
    """A whole tile is impossible, another holds a certain token."""
    bias = torch.full((2048,), -torch.inf, dtype=dtype)
    bias[2000:] = -1e4
    bias[2001] = 3e4
    values, tokens = most_probable(torch.zeros(2, 4, dtype=dtype), torch.zeros(2048, 4, dtype=dtype), bias, 3)
    assert (tokens[:, 0] == 2001).all()
    assert (values[:, 0] == 0).all()
    assert values.isfinite().all()


def test_few_tokens_give_as_many_as_there_are():
    values, tokens = most_probable(torch.zeros(2, 3), torch.zeros(4, 3), torch.arange(4.0), 9)
    assert tokens.tolist() == [[3, 2, 1, 0]] * 2
    torch.testing.assert_close(values.exp().sum(dim=1), torch.ones(2))


def test_a_decoder_proposes_what_it_says_of_all_tokens():
    decoder = model(700).eval().decoder
    likelihood = decoder(torch.randn(1, 5, 3))
    read = torch.tensor([4, 5, 6, 7, 8])
    with torch.no_grad():
        _, state = likelihood.start()
        all_of_them, after = likelihood.step(state, read)
        (values, tokens), also_after = likelihood.propose(state, read, 4)
    spoken = all_of_them.clone()
    spoken[:, [PAD, BOS]] = -torch.inf
    wanted = torch.log_softmax(spoken, dim=-1).topk(4, dim=-1)
    assert torch.equal(tokens, wanted.indices)
    torch.testing.assert_close(values, wanted.values)
    for part, other in zip(after, also_after, strict=True):
        assert torch.equal(part, other)
