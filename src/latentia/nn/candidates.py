"""The most probable tokens of many states, without passes over all probabilities that the question does not need."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from latentia.distributions.token_sequence import Candidates
from latentia.nn.precision import multiplies_bfloat16

STATES_AT_A_TIME, TOKENS_OF_A_TILE, PATCH = 256, 2048, 128
"""Logits of so many states are held at once, 10 MB with 10,000 tokens; a tile of them is made while a cache holds it,
and of each patch of tokens the largest is kept."""

SCREENED, ROUNDING = 8, 1 / (2.0**8 - 1)
"""Tokens that half precision leaves to be compared in full, and its largest error of one rounding, relative to what
came of it."""


@torch.no_grad()
def most_probable(
    states: Float[Tensor, "N E"],
    weight: Float[Tensor, "V E"],
    bias: Float[Tensor, " V"],
    count: int,
    *,
    normalised: bool = True,
) -> Candidates:
    r"""The tokens of largest :math:`\log \mathrm{softmax}(W h + b)`, in nats; a bias of minus infinity excludes one.

    The ``k`` largest of all logits lie in the ``k`` patches of the largest maxima: to find these takes one pass that
    processors make eight or sixteen numbers at a time, to sort all logits many that they do not. Who asks for the order
    alone is spared the normaliser too, and gets logits. A processor that multiplies bfloat16 natively, several times
    as fast as float32, then names a few tokens beyond which the best cannot lie, and these alone are compared in full.

    >>> most_probable(torch.zeros(1, 2), torch.zeros(3, 2), torch.tensor([0.0, -torch.inf, 1.0]), 2)
    (tensor([[-0.3133, -1.3133]]), tensor([[2, 0]]))
    """
    if states.device.type != "cpu" or states.dtype != torch.float32 or count * PATCH > len(weight):
        return _of_all(torch.nn.functional.linear(states, weight, bias).float(), count, normalised)
    many = len(states) >= STATES_AT_A_TIME and len(weight) > SCREENED * PATCH
    if many and not normalised and count < SCREENED and multiplies_bfloat16():
        return _screened(states, weight, bias, count)
    buffers = _buffers(states, len(weight))
    parts = [_of_block(block, weight, bias, count, normalised, buffers) for block in states.split(STATES_AT_A_TIME)]
    return torch.cat([values for values, _ in parts]), torch.cat([tokens for _, tokens in parts])


def _of_all(logits: Float[Tensor, "N V"], count: int, normalised: bool) -> Candidates:
    values, tokens = logits.topk(min(count, logits.shape[1]), dim=1)
    return values - logits.logsumexp(dim=1, keepdim=True) if normalised else values, tokens


def _buffers(states: Float[Tensor, "N E"], tokens: int) -> tuple[Tensor, Tensor]:
    """Make room for the logits of a block, in whole patches, and for a tile; what no token fills is impossible."""
    rows = min(STATES_AT_A_TIME, len(states))
    logits = states.new_empty(rows, -(-tokens // PATCH) * PATCH)
    logits[:, tokens:] = -torch.inf
    return logits, states.new_empty(rows * TOKENS_OF_A_TILE)


def _of_block(
    states: Tensor, weight: Tensor, bias: Tensor, count: int, normalised: bool, buffers: tuple[Tensor, Tensor]
) -> Candidates:
    """Candidates of a few states: all logits, tile by tile, and then the best patches alone."""
    logits, scratch = buffers[0][: len(states)], buffers[1]
    largest, sums = [], []
    for start in range(0, logits.shape[1], TOKENS_OF_A_TILE):
        tile = logits[:, start : start + TOKENS_OF_A_TILE]
        here = slice(start, min(start + TOKENS_OF_A_TILE, len(weight)))
        torch.addmm(bias[here], states, weight[here].T, out=tile[:, : here.stop - start])
        largest.append(tile.unflatten(1, (-1, PATCH)).amax(dim=2))
        if normalised:
            sums.append(_log_sum(tile, largest[-1].amax(dim=1, keepdim=True), scratch))
    values, tokens = _in_best_patches(logits, torch.cat(largest, dim=1), count)
    return values - torch.stack(sums).logsumexp(dim=0)[:, None] if normalised else values, tokens


def _screened(states: Tensor, weight: Tensor, bias: Tensor, count: int) -> Candidates:
    r"""The tokens of largest logit, sought among those that are largest in bfloat16.

    With unit roundoff ``u`` a product of ``E`` terms, summed in float32 with roundoff ``v``, is off by at most
    :math:`(2u + u^2 + 2 E v) \|h\| \|w\|` before it is rounded itself, by ``u`` times its size. Rows in which one of
    the best could hide beyond those screened are done again in full.
    """
    half, offsets = weight.bfloat16(), bias.where(bias.isfinite(), 0.0).abs().amax()
    summed = weight.shape[1] * torch.finfo(torch.float32).eps
    slack = (2 * ROUNDING + ROUNDING**2 + summed) * torch.linalg.vector_norm(weight, dim=1).amax()
    buffers = _buffers(states, len(weight))
    values, tokens = states.new_empty(len(states), count), torch.empty(len(states), count, dtype=torch.long)
    for start in range(0, len(states), STATES_AT_A_TIME):
        rows = slice(start, start + STATES_AT_A_TIME)
        block = states[rows]
        rough, named = _in_half_precision(block, half, bias, buffers)
        full = torch.linalg.vecdot(weight[named], block[:, None]) + bias[named]
        values[rows], place = full.topk(count, dim=1)
        tokens[rows] = named.gather(1, place)
        error = slack * torch.linalg.vector_norm(block, dim=1) + ROUNDING * offsets
        unsure = start + _doubtful(rough, error, count).nonzero()[:, 0]
        if len(unsure):
            values[unsure], tokens[unsure] = _of_block(states[unsure], weight, bias, count, False, buffers)
    return values, tokens


def _doubtful(rough: Tensor, error: Tensor, count: int) -> Tensor:
    """Tell which rows' best could be beyond the last of the rough logits, each off by an error and its own rounding."""
    least, beyond = rough[:, count - 1], rough[:, -1]
    return ~(beyond + ROUNDING * beyond.abs() + error < least - ROUNDING * least.abs() - error)


def _in_half_precision(states: Tensor, weight: Tensor, bias: Tensor, buffers: tuple[Tensor, Tensor]) -> Candidates:
    """The largest logits by products in bfloat16, more by one than are compared."""
    logits, low = buffers[0][: len(states)], states.bfloat16()
    largest = []
    for start in range(0, logits.shape[1], TOKENS_OF_A_TILE):
        tile = logits[:, start : start + TOKENS_OF_A_TILE]
        here = slice(start, min(start + TOKENS_OF_A_TILE, len(weight)))
        tile[:, : here.stop - start].copy_(low @ weight[here].T).add_(bias[here])
        largest.append(tile.unflatten(1, (-1, PATCH)).amax(dim=2))
    return _in_best_patches(logits, torch.cat(largest, dim=1), SCREENED + 1)


def _in_best_patches(logits: Tensor, largest: Tensor, count: int) -> Candidates:
    """The largest logits, of which only the patches with the largest maxima are looked at."""
    patch = largest.topk(count, dim=1).indices
    inside = logits.unflatten(1, (-1, PATCH)).gather(1, patch[:, :, None].expand(-1, -1, PATCH))
    values, place = inside.flatten(1).topk(count, dim=1)
    return values, patch.gather(1, place // PATCH) * PATCH + place % PATCH


def _log_sum(tile: Tensor, largest: Tensor, scratch: Tensor) -> Tensor:
    """Logarithm of the sum of the exponentials of each row of a tile."""
    # Where all of a tile is impossible its largest is too, and their difference would be no number.
    safe = largest.clamp(min=torch.finfo(tile.dtype).min)
    exponentials = scratch[: tile.numel()].view(tile.shape)
    torch.sub(tile, safe, out=exponentials)
    return exponentials.exp_().sum(dim=1).log_() + safe[:, 0]
