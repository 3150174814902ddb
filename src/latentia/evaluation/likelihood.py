"""Bounds on the log-likelihood of each sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latentia.errors import DataError
from latentia.functional.importance import grouped_log_mean_exp, ladder, log_mean_exp
from latentia.models import TextModel
from latentia.objectives.base import sum_of_kl
from latentia.records import Batch, ModelRun

FEW = 20
"""Draws for the sequences that are not given all."""

TOKENS_AT_A_TIME = 2**15
"""Tokens, those of all samples counted, that the decoder scores at once."""


@dataclass(frozen=True)
class Likelihood:
    """Per sequence, in nats, in the order of the batches.

    Attributes:
        reconstruction: ``-E_q log p(x|z)``, the mean over the samples.
        kl: ``KL(q(z|x) || p(z))``, in closed form, or from the samples where the prior is a mixture.
        nll_iw: The importance-weighted estimate of ``-log p(x)`` with ``samples`` draws; with ``every`` above 1 numbers
            whose mean estimates its mean, see :func:`two_phase`.
        curve: The same estimate of fewer draws, by their number up to ``K``, each from all draws made: over disjoint
            groups of so many. Up to 20 draws each sequence has its own; beyond, those given all ``K`` draws correct
            the others, as in ``nll_iw``, which is the last.
        samples: ``K``.
        every: One sequence in how many was given all ``K`` draws.
    """

    reconstruction: Float[Tensor, " N"]
    kl: Float[Tensor, " N"]
    nll_iw: Float[Tensor, " N"]
    curve: Mapping[int, Float[Tensor, " N"]]
    samples: int
    every: int = 1

    @property
    def estimator(self) -> str:
        """Name of the estimate ``nll_iw``."""
        return f"nll_iw({self.samples})" + (f", two-phase 1/{self.every}" if self.every > 1 else "")

    @property
    def elbo(self) -> Float[Tensor, " N"]:
        """The evidence lower bound."""
        return -(self.reconstruction + self.kl)


@torch.no_grad()
def importance_weighted_likelihood(
    model: TextModel,
    batches: Iterable[Batch],
    samples: int,
    advance: Callable[[int], None] = lambda _: None,
    every: int = 1,
) -> Likelihood:
    r"""Estimate the likelihood bounds of a corpus.

    .. math::
        -\log \frac1K \sum_{k=1}^{K} \frac{p(x|z_k) \, p(z_k)}{q(z_k|x)}, \qquad z_k \sim q(z|x)

    In expectation it is never below ``-log p(x)``, equals the negative ELBO at ``K = 1``, and does not grow with
    ``K``; how far it still falls is seen from fewer of the same draws. Samples are scored in chunks of bounded size;
    three numbers of each are kept.

    Args:
        model: A model in evaluation mode.
        batches: The corpus.
        samples: ``K``.
        advance: Called with the number of sequences done.
        every: Give all ``K`` draws to one sequence in so many, and 20 to the others.

    Raises:
        DataError: If fewer than two sequences would be given all draws.

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, 2016, equation 8.
    """
    parts = []
    done = 0
    for batch in batches:
        # From the middle of each stretch: batches come by length, and the first of each would be the shortest.
        place = torch.arange(done, done + len(batch), device=batch.tokens.device)
        chosen = (place + every // 2) % every == 0
        parts.append((_batch_likelihood(model, batch, chosen, samples), chosen))
        done += len(batch)
        advance(len(batch))
    columns, chosen = (torch.cat(part, dim=-1) for part in zip(*parts, strict=True))
    reconstruction, kl, few, *points = columns
    curve = {
        draws: point if draws <= FEW else two_phase(few, point, chosen)
        for draws, point in zip(ladder(samples), points, strict=True)
    }
    return Likelihood(reconstruction, kl, curve[samples], curve, samples, every)


def two_phase(rough: Float[Tensor, " N"], fine: Float[Tensor, " N"], chosen: Bool[Tensor, " N"]) -> Float[Tensor, " N"]:
    r"""Numbers whose mean and standard error are those of the difference estimator.

    A rough value is known of all items and a fine one of those chosen. With the differences ``d`` of the chosen ``n``,

    .. math:: v_i = a_i + \bar d + [i \text{ chosen}] \, \tfrac Nn (d_i - \bar d)

    has the mean :math:`\bar a + \bar d`, unbiased for the mean of the fine values, and the spread of that estimate.
    With all chosen these are the fine values.

    Raises:
        DataError: If fewer than two of several items are chosen: nothing could be said about the spread.

    Source: Saerndal, Swensson and Wretman, Model Assisted Survey Sampling, 1992, section 6.3.

    >>> two_phase(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 2.0]), torch.tensor([True, True]))
    tensor([0.5000, 2.0000])
    """
    count = int(chosen.sum())
    if count < min(2, len(rough)):
        raise DataError(f"{count} of {len(rough)} sequences would be given all draws", "set --every lower")
    difference = (fine - rough)[chosen]
    values = rough + difference.mean()
    values[chosen] += len(rough) / count * (difference - difference.mean())
    return values


@torch.no_grad()
def auxiliary_costs(model: TextModel, batches: Iterable[Batch], samples: int = 32) -> dict[str, Float[Tensor, " N"]]:
    """Costs of the model's auxiliary network for each sequence, by name, the mean over some codes, in nats."""
    parts = [model.auxiliary(model.draw(batch, samples), batch) for batch in batches]
    return {name: torch.cat([part[name].mean(dim=0) for part in parts]) for name in parts[0]}


def _batch_likelihood(model: TextModel, batch: Batch, chosen: Tensor, samples: int) -> Float[Tensor, "columns B"]:
    """Score the chosen sequences with all draws and the others with few; NaN where there are too few for a column."""
    columns = torch.full((3 + len(ladder(samples)), len(batch)), torch.nan, device=batch.tokens.device)
    for rows, draws in ((chosen, samples), (~chosen, min(FEW, samples))):
        if bool(rows.any()):
            scored = _scored(model, batch.rows(rows), draws, ladder(samples))
            columns[: len(scored), rows] = torch.stack(scored)
    return columns


def _scored(model: TextModel, batch: Batch, samples: int, sizes: Iterable[int]) -> list[Tensor]:
    """Reconstruction, KL, the estimate from few draws, and those of each of the sizes that there are draws for."""
    chunk = max(1, TOKENS_AT_A_TIME // batch.tokens.numel())
    log_likelihood, kl, log_weights = scored_draws(partial(model.explain, batch, model.infer(batch)), samples, chunk)
    points = [-grouped_log_mean_exp(log_weights, size) for size in sizes if size <= samples]
    return [-log_likelihood, kl, -log_mean_exp(log_weights[:FEW]), *points]


@torch.no_grad()
def scored_draws(
    explain: Callable[[int], ModelRun], samples: int, chunk: int
) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"], Float[Tensor, "K B"]]:
    """Mean of ``log p(x|z)`` over draws from the posterior, KL from the prior, and log-weight of each draw, in nats.

    Args:
        explain: Draws so many codes and scores the batch under each.
        samples: Draws, ``K``.
        chunk: Draws at a time.
    """
    kept = []
    for done in range(0, samples, chunk):
        run = explain(min(chunk, samples - done))
        kept.append((run.log_likelihood, sum_of_kl(run).expand_as(run.log_likelihood), importance_weights(run)))
    log_likelihood, kl, log_weights = (torch.cat(column) for column in zip(*kept, strict=True))
    return log_likelihood.mean(dim=0), kl.mean(dim=0), log_weights


def importance_weights(run: ModelRun) -> Float[Tensor, "S B"]:
    r"""Log-weights :math:`\log p(x|z) + \log p(z) - \log q(z|x)` of the samples of a pass, in nats."""
    log_ratio = [
        latent.prior.log_prob(latent.sample) - latent.posterior.log_prob(latent.sample) for latent in run.latents
    ]
    return run.log_likelihood + torch.stack(log_ratio).sum(dim=0)
