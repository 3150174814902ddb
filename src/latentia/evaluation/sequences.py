"""Some of the held-out sequences in batches of bounded size, scored under given codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from latentia.distributions import DiagonalGaussian, HypersphericalUniform, SharedNoiseGaussian
from latentia.errors import DataError, InputError
from latentia.evaluation.subject import Subject
from latentia.models import TextModel
from latentia.records import Batch
from latentia.shapes import BOS, EOS, PAD

TOKENS_AT_A_TIME = 2**14
"""Tokens, those of all samples counted, that the decoder scores at once."""


def some_held_out(subject: Subject, count: int) -> list[list[int]]:
    """Return the ids of so many held-out sequences, or of all there are, shortest first; the seed chooses them.

    Raises:
        DataError: If they are fewer than two: nothing could be said about their spread.
    """
    chosen = subject.held_out.shuffled(subject.seed).first(count)
    if len(chosen) < 2:
        raise DataError(f"{len(chosen)} sequences are to be measured", "give and ask for at least two")
    return sorted(chosen.tokens(), key=len)


def grouped(sequences: Sequence[list[int]], copies: int, tokens: int = TOKENS_AT_A_TIME) -> Iterator[Batch]:
    """Yield batches, in the order given, of which so many copies hold at most so many tokens, or a single sequence.

    >>> [len(batch) for batch in grouped([[4] * 6, [4] * 7, [4] * 7], 10, 160)]
    [2, 1]
    """
    group: list[list[int]] = []
    for ids in sequences:
        if group and (len(group) + 1) * (len(ids) + 1) * copies > tokens:
            yield Batch.collate(group)
            group = []
        group.append(ids)
    if group:
        yield Batch.collate(group)


def scorer(model: TextModel, batch: Batch) -> Callable[[Tensor], Tensor]:
    """Return the function from codes ``[S, B, *code]`` to ``log p(x|z)``, ``[S, B]``, in nats, a chunk at a time."""
    chunk = max(1, TOKENS_AT_A_TIME // batch.tokens.numel())

    def score(codes: Float[Tensor, "S B *code"]) -> Float[Tensor, "S B"]:
        return torch.cat([model.decoder(part).log_prob(batch) for part in codes.split(chunk)])

    return score


def not_euclidean(subject: Subject) -> str:
    """Say why codes are no vectors of Euclidean space; empty where they are."""
    if not subject.model.whole_codes:
        return "codes are one a step, not one vector a sequence"
    if isinstance(subject.model.unit_prior(), HypersphericalUniform):
        return "codes are directions on a sphere, which has no straight steps"
    return ""


def marginals_of(posterior: Distribution) -> DiagonalGaussian:
    """Return the distribution of the single dimensions of Gaussian posteriors, detached.

    Raises:
        InputError: If they are not Gaussian.
    """
    if isinstance(posterior, SharedNoiseGaussian):
        posterior = posterior.marginals
    if not isinstance(posterior, DiagonalGaussian):
        raise InputError(f"the posterior is a {type(posterior).__name__}", "measure a model with Gaussian posteriors")
    return DiagonalGaussian(posterior.mean.detach(), posterior.log_variance.detach())


@contextmanager
def frozen(model: TextModel) -> Iterator[None]:
    """Let gradients pass through the model without any being made for its weights."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        for weight in trained:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in trained:
            weight.requires_grad_(True)


@torch.no_grad()
def simulated(model: TextModel, count: int, steps: int) -> tuple[list[list[int]], Float[Tensor, "N D"]]:
    """Draw codes from the prior and a sequence from ``p(x|z)`` of each; shortest first, without those that did not end.

    The code of a sequence that is kept is an exact draw from its posterior ``p(z|x)``, because whether it is kept
    depends on the sequence alone. For the same reason tokens are drawn from all that the model gives probability to:
    one that holds PAD or BOS, which are no tokens of the language, is left out, while to draw others in their place
    would make another model of it.

    Args:
        model: One code a sequence.
        count: Codes drawn.
        steps: Tokens that may be written, EOS counted.
    """
    codes: Tensor = model.unit_prior().sample(torch.Size([count]))
    likelihood = model.decoder(codes[None])
    log_probability, state = likelihood.start()
    paths = codes.new_empty((count, 0), dtype=torch.long)
    while paths.shape[1] < steps and not bool((paths == EOS).any(dim=1).all()):
        token = torch.multinomial(log_probability.exp(), 1)
        paths = torch.cat([paths, token], dim=1)
        log_probability, state = likelihood.step(state, token[:, 0])
    kept = sorted((ids.index(EOS), row) for row, ids in enumerate(paths.tolist()) if _closed(ids))
    return [paths[row, :length].tolist() for length, row in kept], codes[[row for _, row in kept]]


def _closed(ids: list[int]) -> bool:
    """Whether EOS ends the sequence, and every token before it is one of the language."""
    return EOS in ids and not {PAD, BOS} & set(ids[: ids.index(EOS)])
