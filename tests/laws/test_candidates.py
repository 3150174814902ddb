"""The best tokens of a state, however they are found."""

from __future__ import annotations

import pytest
import torch

from latentia.nn import candidates
from latentia.nn.candidates import PATCH, SCREENED, STATES_AT_A_TIME, most_probable
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


@pytest.fixture
def native(monkeypatch):
    """A processor that multiplies bfloat16, or imitates it, and the number of rows that had to be done in full."""
    again, whole = [], candidates._of_block

    def counted(states, *arguments):
        again.append(len(states))
        return whole(states, *arguments)

    monkeypatch.setattr(candidates, "multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(candidates, "_of_block", counted)
    return again


def apart(states, weight, bias, count):
    """How far the chosen logits are from the largest in double precision, and those named from what is named."""
    logits = torch.nn.functional.linear(states.double(), weight.double(), bias.double())
    values, tokens = most_probable(states, weight, bias, count, normalised=False)
    chosen = logits.gather(1, tokens)
    torch.testing.assert_close(values.double(), chosen, rtol=1e-5, atol=1e-4)
    return (logits.topk(count, dim=1).values - chosen).max().item()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("tokens", [SCREENED * PATCH + 1, 3000])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_screening_in_half_precision_misses_none_of_the_best(native, count, tokens, scale):
    states, weight = scale * torch.randn(STATES_AT_A_TIME + 30, 24), torch.randn(tokens, 24)
    bias = torch.randn(tokens)
    bias[::5] = -torch.inf
    assert apart(states, weight, bias, count) <= 1e-5 * scale
    assert sum(native) < len(states)


def test_what_half_precision_cannot_tell_apart_is_done_in_full(native):
    """Rows of weights that differ by less than a rounding: the best is known to none of their products in bfloat16."""
    states = torch.randn(STATES_AT_A_TIME, 24)
    weight = torch.randn(24) + 1e-4 * torch.randn(3000, 24)
    assert apart(states, weight, torch.zeros(3000), 1) <= 2e-5
    assert sum(native) == len(states)


@pytest.mark.parametrize("possible", [0, 1, 5])
def test_screening_finds_the_few_that_are_possible(native, possible):
    bias = torch.full((3000,), -torch.inf)
    bias[1000 : 1000 + possible] = 0.0
    values, tokens = most_probable(torch.randn(STATES_AT_A_TIME, 24), torch.randn(3000, 24), bias, 1, normalised=False)
    assert values.isfinite().all() if possible else (values == -torch.inf).all()
    assert possible == 0 or bias[tokens].isfinite().all()


def test_greedy_tokens_are_those_of_full_precision_whether_screened_or_not(monkeypatch):
    states, weight, bias = torch.randn(STATES_AT_A_TIME, 24), torch.randn(3000, 24), torch.randn(3000)
    found = []
    for native in (True, False):
        monkeypatch.setattr(candidates, "multiplies_bfloat16", lambda native=native: native)
        found.append(most_probable(states, weight, bias, 1, normalised=False)[1])
    assert torch.equal(*found)
