"""The evaluation of a run."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from latentia.errors import DataError
from latentia.evaluation.aggregate import (
    Aggregate,
    active_units,
    continuous_units,
    joint_gap,
    marginal_gap,
    mutual_information,
    variances_of_means,
)
from latentia.evaluation.likelihood import Likelihood, importance_weighted_likelihood
from latentia.functional.importance import mean_and_standard_error
from latentia.models import TextVAE
from latentia.records import Batch

PRIOR_DRAWS = 65_536
POSTERIOR_DRAWS = 4


def evaluate(
    model: TextVAE,
    batches: Callable[[], Iterable[Batch]],
    words: int,
    samples: int,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure a model on a corpus; every entry is in nats a sequence unless it says otherwise.

    Args:
        model: A model in evaluation mode.
        batches: Yields the corpus anew at each call.
        words: Words between white space in the corpus, the denominator of the perplexity a word.
        samples: ``K`` of the importance-weighted estimate.
        seed: Of all noise.
        advance: Called with the number of sequences done.

    Raises:
        DataError: If the corpus has fewer than two sequences: nothing could be said about their spread.
    """
    sizes = [(len(batch), batch.token_count) for batch in batches()]
    sentences, tokens = (sum(column) for column in zip(*sizes, strict=True)) if sizes else (0, 0)
    if sentences < 2:
        raise DataError(f"the corpus has {sentences} sequences", "give at least two to evaluate on")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        likelihood = importance_weighted_likelihood(model, batches(), samples, advance)
    counts = {"sentences": sentences, "words": words, "tokens_with_eos": tokens}
    generator = torch.Generator().manual_seed(seed)
    return {
        **counts,
        **_likelihoods(likelihood, counts),
        **_space(Aggregate.of(model, batches()), likelihood, generator),
    }


def _likelihoods(likelihood: Likelihood, counts: dict[str, int]) -> dict[str, Any]:
    nll = likelihood.nll_iw.double().sum().item()
    bound = -likelihood.elbo.double().sum().item()
    sentences, words, tokens = counts["sentences"], counts["words"], counts["tokens_with_eos"]
    estimates = {name: _estimate(getattr(likelihood, name)) for name in ("elbo", "reconstruction", "kl")}
    return {
        **{name: estimate["value"] for name, estimate in estimates.items()},
        "standard_errors": {name: estimate["standard_error"] for name, estimate in estimates.items()},
        "nll_iw": {**_estimate(likelihood.nll_iw), "K": likelihood.samples},
        "ppl_estimator": f"nll_iw({likelihood.samples})",
        "ppl_word_with_eos": _perplexity(nll, words + sentences),
        "ppl_word_without_eos": _perplexity(nll, words),
        "ppl_token": _perplexity(nll, tokens),
        "ppl_word_with_eos_elbo": _perplexity(bound, words + sentences),
    }


def _space(aggregate: Aggregate, likelihood: Likelihood, generator: torch.Generator) -> dict[str, Any]:
    gaps = marginal_gap(aggregate)
    information = mutual_information(aggregate, POSTERIOR_DRAWS, generator)
    joint = joint_gap(aggregate, PRIOR_DRAWS, generator)
    return {
        "mutual_information": information,
        "active_units": active_units(aggregate),
        "latent_dim": aggregate.mean.shape[1],
        "variances_of_means": sorted(variances_of_means(aggregate), reverse=True),
        "continuous_units": continuous_units(gaps),
        "marginal_gap": gaps.sum().item(),
        "marginal_gap_per_dimension": gaps.tolist(),
        "joint_gap": joint["value"],
        "joint_gap_standard_error": joint["standard_error"],
        "aggregate_kl": likelihood.kl.double().mean().item() - information["value"],
    }


def _perplexity(nats: float, count: int) -> float | None:
    """Exponentiate the nats an item; none where no float holds it, as for text whose words are whole pages."""
    rate = nats / count
    return math.exp(rate) if rate < math.log(sys.float_info.max) else None


def _estimate(values: Tensor) -> dict[str, float]:
    value, error = mean_and_standard_error(values)
    return {"value": value, "standard_error": error}
