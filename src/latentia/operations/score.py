"""How likely texts are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latentia.data import Selection
from latentia.evaluation.likelihood import TOKENS_AT_A_TIME, scored_draws
from latentia.functional.importance import log_mean_exp, log_mean_exp_error
from latentia.operations.lines import Refused
from latentia.operations.operation import operation
from latentia.operations.space import Space, draws_of, streams_of
from latentia.records import Batch, ModelRun
from latentia.shapes import NonNegativeInt, Several

ROWS_AT_A_TIME = 64
"""Texts that share a batch; with all their draws they are many more rows."""

UNCERTAIN = 0.5
"""A standard error in nats, of at most 1, above which few draws carry the estimate."""


@dataclass(frozen=True)
class Scored:
    """A text and its log-likelihood, in nats.

    Attributes:
        line: Its number among the texts, counted from 1.
        text: The text.
        tokens: What the likelihood is of, the end of the text counted.
        log_likelihood: The importance-weighted estimate, in expectation not above the log-likelihood.
        standard_error: Of this estimate over draws of codes, not over texts.
        elbo: The evidence lower bound from the same draws, its KL in closed form where there is one.
        estimator: Name of the estimate, with its number of draws.
    """

    line: int
    text: str
    tokens: int
    log_likelihood: float
    standard_error: float
    elbo: float
    estimator: str

    @property
    def remark(self) -> str:
        """Say so if few draws carry the estimate."""
        uncertain = f"a standard error above {UNCERTAIN} nats; score with more samples"
        return uncertain if self.standard_error > UNCERTAIN else ""

    def __str__(self) -> str:
        """Align the numbers."""
        return f"{self.log_likelihood:9.2f} ± {self.standard_error:.2f} nats, {self.estimator}  {self.text}"


@operation
def score(
    space: Space, data: Iterable[str], *, samples: Several = 50, seed: NonNegativeInt = 0
) -> Iterator[Scored | Refused]:
    r"""Estimate how likely each text is.

    .. math::
        \log \hat p(x) = \log \tfrac1K \sum_k w_k, \quad w_k = \frac{p(x|z_k) \, p(z_k)}{q(z_k|x)}, \quad
        z_k \sim q(z|x), \qquad \mathrm{se} = \frac{s_w}{\sqrt K \, \bar w}

    in nats. The standard error is of the draws, by the delta method. It is at most 1, and near that a single draw
    carries the sum: then neither number can be trusted, and more samples are needed.

    Args:
        space: Where the texts are encoded.
        data: What to score.
        samples: Draws of a code for each text, K.
        seed: Of the draws.

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, 2016, equation 8.
    """
    return space.answered(data, lambda chosen, lines: _scored(space, chosen, lines, samples, seed))


def _scored(space: Space, chosen: Selection, lines: list[int], samples: int, seed: int) -> Iterator[Scored]:
    columns = likelihoods(space, chosen, lines, samples, seed)
    tokens = chosen.corpus.lengths[chosen.rows].tolist()
    return map(Scored, lines, chosen.texts(), tokens, *columns.T.tolist(), repeat(f"log_iw({samples})"))


def likelihoods(space: Space, chosen: Selection, lines: Sequence[int], samples: int, seed: int) -> Float[Tensor, "N 3"]:
    """Importance-weighted log-likelihood, its standard error and ELBO of each row, in nats.

    The draws of a row follow the seed and its line alone.
    """
    of_batch = partial(_of_batch, space, samples)
    return space.of_each(chosen, of_batch, ROWS_AT_A_TIME, streams_of(seed, lines))


def _of_batch(space: Space, samples: int, batch: Batch, streams: Int[Tensor, " B"]) -> Float[Tensor, "B 3"]:
    posterior, size = space.model.infer(batch), max(1, TOKENS_AT_A_TIME // batch.tokens.numel())
    codes = iter(draws_of(posterior, streams, samples).split(size))

    def explain(_: int) -> ModelRun:
        return space.model.scored(batch, space.model.latent_at(batch, posterior, next(codes)))

    log_likelihood, kl, log_weights = scored_draws(explain, samples, size)
    return torch.stack([log_mean_exp(log_weights), log_mean_exp_error(log_weights), log_likelihood - kl], dim=1)
