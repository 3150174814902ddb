"""Bounds on the log-likelihood of each sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from latentia.functional.importance import log_mean_exp
from latentia.models import TextVAE
from latentia.objectives.base import sum_of_kl
from latentia.records import Batch, ModelRun

TOKENS_AT_A_TIME = 2**15
"""Tokens, those of all samples counted, that the decoder scores at once."""


@dataclass(frozen=True)
class Likelihood:
    """Per sequence, in nats, in the order of the batches.

    Attributes:
        reconstruction: ``-E_q log p(x|z)``, the mean over the samples.
        kl: ``KL(q(z|x) || p(z))``, in closed form.
        nll_iw: The importance-weighted estimate of ``-log p(x)`` with ``samples`` draws.
        samples: ``K``.
    """

    reconstruction: Float[Tensor, " N"]
    kl: Float[Tensor, " N"]
    nll_iw: Float[Tensor, " N"]
    samples: int

    @property
    def elbo(self) -> Float[Tensor, " N"]:
        """The evidence lower bound."""
        return -(self.reconstruction + self.kl)


@torch.no_grad()
def importance_weighted_likelihood(
    model: TextVAE, batches: Iterable[Batch], samples: int, advance: Callable[[int], None] = lambda _: None
) -> Likelihood:
    r"""Estimate the likelihood bounds of a corpus.

    .. math::
        -\log \frac1K \sum_{k=1}^{K} \frac{p(x|z_k) \, p(z_k)}{q(z_k|x)}, \qquad z_k \sim q(z|x)

    In expectation it is never below ``-log p(x)``, equals the negative ELBO at ``K = 1``, and does not grow with
    ``K``. Samples are scored in chunks of bounded size; two numbers of each are kept.

    Args:
        model: A model in evaluation mode.
        batches: The corpus.
        samples: ``K``.
        advance: Called with the number of sequences done.

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, 2016, equation 8.
    """
    parts = []
    for batch in batches:
        parts.append(_batch_likelihood(model, batch, samples))
        advance(len(batch))
    reconstruction, kl, nll = (torch.cat(column) for column in zip(*parts, strict=True))
    return Likelihood(reconstruction, kl, nll, samples)


@torch.no_grad()
def auxiliary_costs(model: TextVAE, batches: Iterable[Batch], samples: int = 32) -> dict[str, Float[Tensor, " N"]]:
    """Costs of the model's auxiliary network for each sequence, by name, the mean over some codes, in nats."""
    parts = [model.auxiliary(model.draw(batch, samples), batch) for batch in batches]
    return {name: torch.cat([part[name].mean(dim=0) for part in parts]) for name in parts[0]}


def _batch_likelihood(model: TextVAE, batch: Batch, samples: int) -> tuple[Tensor, Tensor, Tensor]:
    chunk = max(1, TOKENS_AT_A_TIME // batch.tokens.numel())
    kept = []
    for done in range(0, samples, chunk):
        run = model(batch, min(chunk, samples - done))
        kept.append((run.log_likelihood, importance_weights(run)))
    log_likelihood, log_weights = (torch.cat(column) for column in zip(*kept, strict=True))
    return -log_likelihood.mean(dim=0), sum_of_kl(run), -log_mean_exp(log_weights)


def importance_weights(run: ModelRun) -> Float[Tensor, "S B"]:
    r"""Log-weights :math:`\log p(x|z) + \log p(z) - \log q(z|x)` of the samples of a pass, in nats."""
    log_ratio = [
        latent.prior.log_prob(latent.sample) - latent.posterior.log_prob(latent.sample) for latent in run.latents
    ]
    return run.log_likelihood + torch.stack(log_ratio).sum(dim=0)
