"""A one-layer LSTM run without gradients, over inputs that many rows share or that are tokens of a table."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def run_over_shared_inputs(
    recurrence: nn.LSTM,
    inputs: Float[Tensor, "B T I"],
    codes: Float[Tensor, "S B *code"],
    state: tuple[Float[Tensor, "N H"], Float[Tensor, "N H"]],
) -> Float[Tensor, "N T H"]:
    r"""States of a one-layer LSTM over :math:`[x_t; z]` for ``N = S * B`` rows, ``S`` codes to each row of inputs.

    The product with the weights of the inputs splits into that with ``x_t``, made once for all ``S`` codes, and that
    with ``z``, made once for all steps unless there is a code for each. What is left a step is the product with the
    state, about half of the arithmetic. Tensors are written in place: there are no gradients.

    Args:
        recurrence: The LSTM.
        inputs: What is read beside the code.
        codes: One a row, ``[D]``, or one a step, of which there are at least ``T``.
        state: Hidden state and cell before the first step.
    """
    of_inputs, of_states, *biases = recurrence.all_weights[0]
    width, hidden_dim = inputs.shape[-1], of_states.shape[1]
    shared = nn.functional.linear(inputs, of_inputs[:, :width], biases[0] + biases[1])
    of_codes = of_inputs[:, width:].T
    hidden, cell = state[0], state[1].clone()
    states = cell.new_empty(inputs.shape[1], len(cell), hidden_dim)
    every_step = (codes @ of_codes).flatten(0, 1) if codes.ndim == 3 else torch.empty(0)
    gates = cell.new_empty(len(cell), 4 * hidden_dim)
    for step, output in enumerate(states):
        of_code = every_step if codes.ndim == 3 else (codes[:, :, step] @ of_codes).flatten(0, 1)
        torch.addmm(of_code, hidden, of_states.T, out=gates)
        gates.view(*codes.shape[:2], -1).add_(shared[:, step])
        hidden = _advance(gates, cell, output)
    return states.transpose(0, 1)


def run_over_tokens(
    recurrence: nn.LSTM, table: Float[Tensor, "U G"], tokens: Int[Tensor, "N T"], lengths: Int[Tensor, " N"]
) -> Float[Tensor, "N T H"]:
    """States of a one-layer LSTM from zero, over tokens whose products with the input weights are known.

    What is left a step is the product with the state, of the rows that have not ended. States after the end of a row
    are zero.

    Args:
        recurrence: The LSTM.
        table: The four gates of each token without the state, biases added, as :func:`gates_of_inputs` makes them.
        tokens: Rows of the table.
        lengths: Tokens of each row, none longer than the row before it.
    """
    count, width = tokens.shape
    hidden_dim = recurrence.hidden_size
    of_states, columns = recurrence.all_weights[0][1].T, tokens.T.contiguous()
    states, cell = table.new_zeros(width, count, hidden_dim), table.new_zeros(count, hidden_dim)
    gates, hidden = table.new_empty(count, 4 * hidden_dim), table.new_zeros(count, hidden_dim)
    active = (lengths[None] > torch.arange(width)[:, None]).sum(dim=1).tolist()
    for step, rows in enumerate(active):
        torch.index_select(table, 0, columns[step, :rows], out=gates[:rows])
        if step:  # before the first there is no state
            gates[:rows].addmm_(hidden[:rows], of_states)
        hidden = _advance(gates[:rows], cell[:rows], states[step, :rows])
    return states.transpose(0, 1)


def gates_of_inputs(recurrence: nn.LSTM, inputs: Float[Tensor, "U I"]) -> Float[Tensor, "U G"]:
    """Product of inputs with the input weights of a one-layer LSTM, both biases added."""
    of_inputs, _, *biases = recurrence.all_weights[0]
    return nn.functional.linear(inputs, of_inputs, biases[0] + biases[1])


def run_one_step(
    recurrence: nn.LSTM,
    inputs: Float[Tensor, "N I"],
    hidden: Float[Tensor, "N H"],
    cell: Float[Tensor, "N H"],
) -> tuple[Float[Tensor, "N H"], Float[Tensor, "N H"]]:
    """Hidden state and cell of a one-layer LSTM after one more step, without gradients.

    The library's own packs the weights anew at every call, which takes longer than a step of a few rows.
    """
    gates = gates_of_inputs(recurrence, inputs).addmm_(hidden, recurrence.all_weights[0][1].T)
    cell = cell.clone()
    return _advance(gates, cell, torch.empty_like(cell)), cell


def _advance(gates: Float[Tensor, "N G"], cell: Float[Tensor, "N H"], output: Float[Tensor, "N H"]) -> Tensor:
    """Update the cell in place, and write and return the hidden state."""
    kept, new = gates.tensor_split((2 * cell.shape[1],), dim=1)
    entry, forgetting = kept.sigmoid_().chunk(2, dim=1)
    proposal, exit_ = new.chunk(2, dim=1)
    cell.mul_(forgetting).addcmul_(entry, _tanh_(proposal))
    return _tanh_(output.copy_(cell)).mul_(exit_.sigmoid_())


def _tanh_(values: Float[Tensor, "N H"]) -> Tensor:
    r"""Hyperbolic tangent in place, on a processor as :math:`2 \sigma(2x) - 1`.

    There the library's own takes ten times as long as its sigmoid. The difference is at most 2e-7 in float32, as much
    as rounding does near 1; in bfloat16, whose sigmoids near 1/2 are coarse, it would be too much.
    """
    if values.is_cuda or values.dtype not in (torch.float32, torch.float64):
        return values.tanh_()
    return values.mul_(2).sigmoid_().mul_(2).sub_(1)
