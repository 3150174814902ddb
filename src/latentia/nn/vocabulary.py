"""The projection onto the vocabulary, fused with its cross-entropy."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from latentia.distributions.token_sequence import Candidates
from latentia.nn.candidates import most_probable
from latentia.shapes import PositiveInt

LOGITS_AT_A_TIME = 5 * 2**20
"""Logits held at once: 20 MB in float32, about half a server's last-level cache."""

LOGITS_OF_A_TILE, TOKENS_OF_A_TILE = 2**19, 1024
"""Logits that are made and summed at once where no gradient is: 2 MB in float32, about a core's cache."""


class Vocabulary(nn.Module):
    """Scores of the tokens, ``W h + b``, and the log-probability of given tokens without storing the scores.

    Args:
        features: Features of a state.
        vocabulary_size: Tokens.
    """

    def __init__(self, features: PositiveInt, vocabulary_size: PositiveInt) -> None:
        """Draw the weights as an embedding table would, so that they can be tied to one."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocabulary_size, features).uniform_(-0.1, 0.1))
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))

    def forward(self, states: Float[Tensor, "N E"]) -> Float[Tensor, "N V"]:
        """Log-probabilities of all tokens, in float32."""
        return torch.log_softmax(nn.functional.linear(states, self.weight, self.bias).float(), dim=-1)

    def most_probable(
        self, states: Float[Tensor, "N E"], count: int, silent: Sequence[int] = (), *, normalised: bool = True
    ) -> Candidates:
        """The best tokens a row with their log-probabilities, renormalised over all that are not silent.

        Unless ``normalised``, with scores that have the same order, which are faster.
        """
        bias = self.bias.detach().clone()
        bias[list(silent)] = -torch.inf
        return most_probable(states, self.weight, bias, count, normalised=normalised)

    def log_prob(self, states: Float[Tensor, "N E"], tokens: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
        """Log-probability of one token a row, in nats; the logits are made in blocks and dropped."""
        return token_log_prob(states, self.weight, self.bias, tokens)


def token_log_prob(
    states: Float[Tensor, "N E"],
    weight: Float[Tensor, "V E"],
    bias: Float[Tensor, " V"],
    tokens: Int[Tensor, " N"],
    logits_at_a_time: int = LOGITS_AT_A_TIME,
) -> Float[Tensor, " N"]:
    r""":math:`\log \mathrm{softmax}(W h + b)_x` of one token a row, in nats, with bounded memory.

    >>> token_log_prob(torch.zeros(1, 2), torch.zeros(4, 2), torch.zeros(4), torch.tensor([3]))
    tensor([-1.3863])
    """
    rows = max(1, logits_at_a_time // weight.shape[0])
    if not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (states, weight, bias))):
        return _sweep(states, weight, bias, tokens, rows)
    result: Tensor = _TokenLogProb.apply(states, weight, bias, tokens, rows)  # type: ignore[no-untyped-call]
    return result


class _TokenLogProb(torch.autograd.Function):
    """Cross-entropy whose gradients are made beside the logits, block by block.

    The gradient of row ``n`` is ``g_n (onehot - softmax)``. The forward pass makes it for ``g = 1`` while the
    logits are in the cache. When all ``g_n`` turn out equal, as under any mean of per-sequence costs, that is
    the answer up to a factor, and no logits are made twice; otherwise they are made again with their ``g_n``.
    """

    @staticmethod
    def forward(ctx, states, weight, bias, tokens, rows):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        ctx.rows, ctx.gathered = rows, ()
        ctx.save_for_backward(states, weight, bias, tokens)
        # Asking a GPU whether the gradient is uniform would stall it, so that there it is made in the backward pass.
        if states.device.type != "cpu":
            return _sweep(states, weight, bias, tokens, rows)
        result, ctx.gathered = _sweep_with_gradient(states, weight, bias, tokens, None, rows, ctx.needs_input_grad[1])
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        states, weight, bias, tokens = ctx.saved_tensors
        if ctx.gathered and bool((gradient == gradient[0]).all()):
            gathered = tuple(part.mul_(gradient[0]) for part in ctx.gathered)
            ctx.gathered = ()
        else:
            of_weight = ctx.needs_input_grad[1]
            _, gathered = _sweep_with_gradient(states, weight, bias, tokens, gradient, ctx.rows, of_weight)
        to_states, to_weight, to_bias = gathered
        return to_states, to_weight.to(weight.dtype), to_bias.to(bias.dtype), None, None


def _sweep(states: Tensor, weight: Tensor, bias: Tensor, tokens: Tensor, rows: int) -> Tensor:
    """Log-probability of each row's token, block by block."""
    if states.device.type == "cpu" and states.dtype == torch.float32:
        return _sweep_in_tiles(states, weight.float(), bias.float(), tokens)
    weight, bias = weight.to(states.dtype), bias.to(states.dtype)
    blocks = zip(states.split(rows), tokens.split(rows), strict=True)
    return torch.cat([_block(torch.addmm(bias, h, weight.T), x[:, None])[0] for h, x in blocks])


def _sweep_in_tiles(states: Tensor, weight: Tensor, bias: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of each row's token, from logits that never leave the cache."""
    scratch = states.new_empty(LOGITS_OF_A_TILE)
    rows = LOGITS_OF_A_TILE // min(len(weight), TOKENS_OF_A_TILE)
    blocks = zip(states.split(rows), tokens.split(rows), strict=True)
    return torch.cat(
        [torch.linalg.vecdot(h, weight[x]) + bias[x] - _log_normaliser(h, weight, bias, scratch) for h, x in blocks]
    )


def _log_normaliser(states: Tensor, weight: Tensor, bias: Tensor, scratch: Tensor) -> Tensor:
    """Logarithm of the sum of the exponentials of all logits, tile by tile, each less its largest."""
    sums = []
    for of_tokens, offset in zip(weight.split(TOKENS_OF_A_TILE), bias.split(TOKENS_OF_A_TILE), strict=True):
        logits = scratch[: len(states) * len(offset)].view(len(states), len(offset))
        torch.addmm(offset, states, of_tokens.T, out=logits)
        largest = logits.amax(dim=1, keepdim=True)
        sums.append(logits.sub_(largest).exp_().sum(dim=1).log_() + largest[:, 0])
    return torch.stack(sums).logsumexp(dim=0)


def _sweep_with_gradient(
    states: Tensor, weight: Tensor, bias: Tensor, tokens: Tensor, factor: Tensor | None, rows: int, of_weight: bool
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Log-probabilities, and their gradients times each row's factor, those of the weights in float32.

    That of the weight matrix is a third of the arithmetic, and left at zero where it is not wanted.
    """
    result = torch.empty(len(tokens), dtype=torch.float32, device=states.device)
    to_states = torch.empty_like(states)
    to_weight, to_bias = torch.zeros_like(weight, dtype=torch.float32), torch.zeros_like(bias, dtype=torch.float32)
    weight, bias = weight.to(states.dtype), bias.to(states.dtype)
    for start in range(0, len(tokens), rows):
        block = slice(start, start + rows)
        target = tokens[block, None]
        result[block], residual = _block(torch.addmm(bias, states[block], weight.T), target)
        residual.scatter_add_(1, target, residual.new_full(target.shape, -1.0))
        if factor is not None:
            residual.mul_(factor[block, None])
        to_bias -= residual.sum(dim=0, dtype=torch.float32)
        to_states[block] = torch.mm(residual, weight).neg_()
        if of_weight:
            _subtract_product(to_weight, residual, states[block])
    return result, (to_states, to_weight, to_bias)


def _block(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability of each row's target, and the probabilities of all tokens.

    The largest logit minus the logarithm of its probability is the normaliser; that probability is at least one
    over the vocabulary, so that the logarithm is safe. This passes over the logits three times; a log-softmax and
    its exponential would five times.
    """
    probability = torch.softmax(logits, dim=-1)
    normaliser = logits.amax(dim=-1).float() - probability.amax(dim=-1).float().log()
    return logits.gather(1, target)[:, 0].float() - normaliser, probability


def _subtract_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Subtract ``left^T right`` from a float32 total."""
    if left.dtype == total.dtype:
        total.addmm_(left.T, right, alpha=-1)
    else:
        total -= (left.T @ right).float()
