"""Laws of the noise on recurrent networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from latentia.nn import SequenceDropout
from latentia.nn.dropout import dropped_weights

INPUTS, ZERO = torch.randn(3, 5, 4), (torch.zeros(1, 3, 6), torch.zeros(1, 3, 6))


def test_nothing_is_dropped_in_evaluation_mode():
    recurrence, dropout = nn.LSTM(4, 6, batch_first=True), SequenceDropout(recurrent=0.5).eval()
    assert torch.equal(dropout.run(recurrence, INPUTS, ZERO), recurrence(INPUTS, ZERO)[0])


def test_only_weights_between_states_are_dropped():
    """The first state, which reads no state, is what it was; the later ones are not, and differ from draw to draw."""
    recurrence, dropout = nn.LSTM(4, 6, batch_first=True), SequenceDropout(recurrent=0.5)
    whole, one, other = recurrence(INPUTS, ZERO)[0], *(dropout.run(recurrence, INPUTS, ZERO) for _ in range(2))
    torch.testing.assert_close(one[:, 0], whole[:, 0])
    assert not torch.allclose(one[:, 1:], whole[:, 1:], atol=1e-4)
    assert not torch.allclose(one[:, 1:], other[:, 1:], atol=1e-4)


def test_dropped_weights_get_no_gradient_and_kept_ones_get_theirs():
    recurrence, dropout = nn.LSTM(4, 6, batch_first=True), SequenceDropout(recurrent=0.5)
    dropout.run(recurrence, INPUTS, ZERO).sum().backward()
    share = (recurrence.weight_hh_l0.grad == 0).float().mean()
    assert 0.3 < share < 0.7
    assert recurrence.weight_ih_l0.grad.abs().min() > 0


@pytest.mark.parametrize("rate", [0.001, 0.3, 0.5, 0.9999999])
def test_the_share_of_dropped_weights_is_the_rate_and_the_others_make_up_for_it(rate: float) -> None:
    weights = dropped_weights(torch.ones(999, 1001), rate)
    assert len(weights.unique()) == 2
    torch.testing.assert_close((weights == 0).double().mean(), torch.tensor(rate).double(), rtol=0, atol=2e-3)
    assert weights.max().item() == pytest.approx(1 / (1 - min(rate, 1 - 2**-16)), rel=1e-3)


def test_weights_are_dropped_independently_of_their_neighbours():
    """Four of them share a draw."""
    dropped = (dropped_weights(torch.ones(40_000, 4), 0.5) == 0).double()
    torch.testing.assert_close(torch.corrcoef(dropped.T), torch.eye(4).double(), rtol=0, atol=0.03)


def test_a_mask_of_a_sequence_is_the_same_at_every_step():
    dropped = SequenceDropout(states=0.5, per_sequence=True).drop_states(torch.ones(4, 7, 50))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert dropped.unique().tolist() == [0.0, 2.0]


def test_a_type_is_dropped_whole_and_wherever_it_stands():
    table, tokens = nn.Embedding.from_pretrained(torch.ones(400, 3)), torch.arange(400).repeat(2, 1)
    first, second = SequenceDropout(types=0.25).embed(table, tokens)
    assert torch.equal(first, second)
    assert first.unique(dim=0).tolist() == [[0.0] * 3, [pytest.approx(4 / 3)] * 3]
    assert 0.15 < (first[:, 0] == 0).float().mean() < 0.35


def test_types_and_outputs_are_left_alone_in_evaluation_mode():
    dropout, table = SequenceDropout(types=0.5, outputs=0.5).eval(), nn.Embedding(9, 3)
    assert torch.equal(dropout.embed(table, torch.arange(9)[None]), table(torch.arange(9)[None]))
    assert torch.equal(dropout.drop_outputs(INPUTS), INPUTS)


def test_outputs_without_steps_are_dropped_one_by_one():
    """A mask a sequence spans its steps; of one vector a sequence it would drop all or nothing."""
    dropped = SequenceDropout(outputs=0.5, per_sequence=True).drop_outputs(torch.ones(4, 400))
    assert ((dropped == 0).float().mean(dim=1) - 0.5).abs().max() < 0.15


@pytest.mark.parametrize(
    ("training", "gradients", "wanted"), [(True, True, True), (False, False, True), (False, True, False)]
)
def test_cudnn_is_left_alone_where_it_has_no_gradients(*, training: bool, gradients: bool, wanted: bool) -> None:
    """Its recurrence refuses the gradients of a model in evaluation mode, which annealing and refinement take."""
    recurrence, seen = torch.nn.LSTM(3, 4, batch_first=True), []
    recurrence.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.enabled))
    state = torch.zeros(1, 2, 4)
    with torch.set_grad_enabled(gradients):
        SequenceDropout().train(training).run(recurrence, torch.zeros(2, 5, 3), (state, state))
    assert seen == [wanted]
    assert torch.backends.cudnn.enabled
