"""An LSTM over inputs that many rows share, run without gradients."""

import torch
from jaxtyping import Float
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


def _advance(gates: Float[Tensor, "N G"], cell: Float[Tensor, "N H"], output: Float[Tensor, "N H"]) -> Tensor:
    """Update the cell in place, and write and return the hidden state."""
    kept, new = gates.tensor_split((2 * cell.shape[1],), dim=1)
    entry, forgetting = kept.sigmoid_().chunk(2, dim=1)
    proposal, exit_ = new.chunk(2, dim=1)
    cell.mul_(forgetting).addcmul_(entry, proposal.tanh_())
    return torch.tanh(cell, out=output).mul_(exit_.sigmoid_())
