"""Greedy and beam decoding of the plain PyTorch text VAE: what one would write first, second, and with a library."""

from __future__ import annotations

import torch
from baseline import PlainTextVAE
from torch import Tensor

from latentia.shapes import BOS, EOS, PAD


@torch.no_grad()
def one_at_a_time(model: PlainTextVAE, codes: Tensor, longest: int) -> list[list[int]]:
    """Decode greedily one sequence at a time, scoring the whole prefix anew for each token."""
    return [_from_prefixes(model, code[None], longest) for code in codes]


def _from_prefixes(model: PlainTextVAE, code: Tensor, longest: int) -> list[int]:
    written = [BOS]
    while len(written) <= longest and written[-1] != EOS:
        read = model.decoder_embedding(torch.tensor([written]))
        cell = model.initial(code)[None]
        inputs = torch.cat([read, code[:, None].expand(-1, len(written), -1)], dim=-1)
        states, _ = model.decoder(inputs, (torch.tanh(cell), cell))
        logits = model.output(states)
        logits[..., [PAD, BOS]] = -torch.inf
        written.append(logits[0, -1].argmax().item())
    return written[1:]


@torch.no_grad()
def batched_greedy(model: PlainTextVAE, codes: Tensor, longest: int) -> Tensor:
    """Decode a batch greedily with its states kept, until all have ended."""
    state, token = _begin(model, codes), torch.full((len(codes),), BOS)
    written = []
    for _ in range(longest):
        log_probability, state = _step(model, codes, token, state)
        token = log_probability.argmax(dim=-1)
        written.append(token)
        if (torch.stack(written) == EOS).any(dim=0).all():
            break
    return torch.stack(written, dim=1)


@torch.no_grad()
def batched_beam(model: PlainTextVAE, codes: Tensor, longest: int, width: int) -> Tensor:
    """Decode a batch with so many beams a code, by the sum of log-probabilities."""
    count, repeated = len(codes), codes.repeat_interleave(width, dim=0)
    state, token = _begin(model, repeated), torch.full((count * width,), BOS)
    scores = torch.full((count, width), -torch.inf)
    scores[:, 0] = 0.0
    paths, ended = torch.empty(count * width, 0, dtype=torch.long), torch.zeros(count * width, dtype=torch.bool)
    for _ in range(longest):
        log_probability, state = _step(model, repeated, token, state)
        log_probability[ended] = -torch.inf
        log_probability[ended, EOS] = 0.0
        total = (scores.view(-1, 1) + log_probability).view(count, -1)
        scores, chosen = total.topk(width, dim=1)
        parent = (chosen // log_probability.shape[1] + width * torch.arange(count)[:, None]).flatten()
        token = (chosen % log_probability.shape[1]).flatten()
        state = tuple(part[:, parent].contiguous() for part in state)
        paths, ended = torch.cat([paths[parent], token[:, None]], dim=1), ended[parent] | (token == EOS)
        if ended.all():
            break
    return paths.view(count, width, -1)[:, 0]


def _begin(model: PlainTextVAE, codes: Tensor) -> tuple[Tensor, ...]:
    cell = model.initial(codes)[None]
    return torch.tanh(cell), cell


def _step(
    model: PlainTextVAE, codes: Tensor, token: Tensor, state: tuple[Tensor, ...]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Read a token a row; return the log-probabilities of the next one of the language, and the state."""
    inputs = torch.cat([model.decoder_embedding(token), codes], dim=-1)[:, None]
    output, state = model.decoder(inputs, state)
    logits = model.output(output[:, 0])
    logits[:, [PAD, BOS]] = -torch.inf
    return torch.log_softmax(logits, dim=-1), state
