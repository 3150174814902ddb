"""The evaluation of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from latentia.auxiliaries import DualCritic
from latentia.distributions import (
    CodeDistribution,
    DiagonalGaussian,
    GaussianMixture,
    information_of_each,
)
from latentia.errors import DataError, NumericalError
from latentia.evaluation.aggregate import (
    active_units,
    aggregate_of,
    continuous_units,
    joint_gap,
    marginal_gap,
    mutual_information,
    reverse_marginal_gap,
    single_dimensions,
    variances_of_means,
)
from latentia.evaluation.estimates import average, perplexity
from latentia.evaluation.likelihood import Likelihood, auxiliary_costs, importance_weighted_likelihood
from latentia.models import TextModel
from latentia.records import Batch

PRIOR_DRAWS = 65_536
POSTERIOR_DRAWS = 4


def evaluate(
    model: TextModel,
    batches: Callable[[], Iterable[Batch]],
    words: Int[Tensor, " rows"],
    samples: int,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
    every: int = 1,
) -> dict[str, Any]:
    """Measure a model on a corpus; every entry is in nats a sequence unless it says otherwise.

    Codes of one a step have no aggregate over sequences, which differ in length: their information and their joint gap
    are none, and what is measured of single dimensions is measured over all steps (``units_over``).

    Args:
        model: A model in evaluation mode.
        batches: Yields the corpus anew at each call.
        words: Words between white space of each row of the corpus, which ``Batch.index`` looks up.
        samples: ``K`` of the importance-weighted estimate.
        seed: Of all noise.
        advance: Called with the number of sequences done.
        every: Give all ``K`` samples to one sequence in so many; the others get 20.

    Raises:
        DataError: If the corpus has fewer than two sequences: nothing could be said about their spread.
        NumericalError: If the ELBO is not finite.
    """
    sizes = [(batch.index, batch.lengths) for batch in batches()]
    if sum(len(index) for index, _ in sizes) < 2:
        raise DataError("the corpus has fewer than two sequences", "give at least two to evaluate on")
    index, tokens = (torch.cat(column) for column in zip(*sizes, strict=True))
    counts = {"word_with_eos": words[index] + 1, "word_without_eos": words[index], "token": tokens}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        likelihood = importance_weighted_likelihood(model, batches(), samples, advance, every)
        dual = _dual(model, batches(), likelihood)
    bound, prior = likelihood.elbo.mean().item(), model.unit_prior()
    if not math.isfinite(bound):
        raise NumericalError(f"the ELBO is {bound}", "the model diverged: train again with a lower learning rate")
    return {
        "sentences": len(index),
        "words": int(words[index].sum()),
        "tokens_with_eos": int(tokens.sum()),
        **_likelihoods(likelihood, counts),
        "kl_estimator": "draws" if isinstance(prior, GaussianMixture) else "closed form",
        **dual,
        **_space(model, aggregate_of(model, batches()), prior, likelihood, seed),
    }


def _likelihoods(likelihood: Likelihood, counts: dict[str, Tensor]) -> dict[str, Any]:
    estimates = {name: average(getattr(likelihood, name)) for name in ("elbo", "reconstruction", "kl")}
    estimates |= {f"ppl_{name}": perplexity(likelihood.nll_iw, count) for name, count in counts.items()}
    estimates["ppl_word_with_eos_elbo"] = perplexity(-likelihood.elbo, counts["word_with_eos"])
    return {
        **{name: estimate["value"] for name, estimate in estimates.items()},
        "standard_errors": {name: estimate["standard_error"] for name, estimate in estimates.items()},
        "nll_iw": {**average(likelihood.nll_iw), "K": likelihood.samples, "every": likelihood.every},
        "ppl_estimator": likelihood.estimator,
    }


def _dual(model: TextModel, batches: Iterable[Batch], likelihood: Likelihood) -> dict[str, Any]:
    """A critic's estimate and, if it is of the KL, what it makes of the ELBO, where the model has a critic."""
    if not isinstance(model.auxiliary, DualCritic):
        return {}
    estimate = auxiliary_costs(model, batches)["dual_kl"]
    dual: dict[str, Any] = {"of": model.auxiliary.estimated, "estimate": average(estimate), "is_bound": False}
    if model.auxiliary.of_each:
        dual["negative_elbo"] = average(likelihood.reconstruction + estimate)
    return {"dual": dual}


def _space(
    model: TextModel, aggregate: CodeDistribution, prior: CodeDistribution, likelihood: Likelihood, seed: int
) -> dict[str, Any]:
    """Measures of codes, and of single dimensions over what they are counted over."""
    return {
        **(_whole(aggregate, prior, likelihood, seed) if model.whole_codes else _no_whole(likelihood)),
        "active_units": active_units(aggregate),
        "latent_dim": aggregate.event_shape[0],
        "units_over": "sequences" if model.whole_codes else "steps",
        "variances_of_means": sorted(variances_of_means(aggregate), reverse=True),
        **_marginals(aggregate, prior),
    }


def _whole(aggregate: CodeDistribution, prior: CodeDistribution, likelihood: Likelihood, seed: int) -> dict[str, Any]:
    """Measures of whole codes."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        information = information_of_each(aggregate, POSTERIOR_DRAWS)
        joint = joint_gap(aggregate, prior, PRIOR_DRAWS)
    difference = average(likelihood.kl.double() - information)
    return {
        "mutual_information": {**mutual_information(information), "draws": POSTERIOR_DRAWS},
        "joint_gap": joint["value"],
        "joint_gap_standard_error": joint["standard_error"],
        "aggregate_kl": difference["value"],
        "aggregate_kl_standard_error": difference["standard_error"],
    }


def _no_whole(likelihood: Likelihood) -> dict[str, Any]:
    """The same entries where codes differ in length, and have no estimate of them."""
    cap = math.log(len(likelihood.kl))
    names = ("joint_gap", "joint_gap_standard_error", "aggregate_kl", "aggregate_kl_standard_error")
    return {
        "mutual_information": {"value": None, "standard_error": None, "cap": cap, "draws": 0},
        **dict.fromkeys(names),
    }


def _marginals(aggregate: CodeDistribution, prior: CodeDistribution) -> dict[str, Any]:
    """Gaps of single dimensions; none on a sphere, whose dimensions are not independent under the prior."""
    single, components = single_dimensions(aggregate), single_dimensions(prior)
    gaps = reverse = torch.zeros(0)
    if isinstance(single, DiagonalGaussian) and isinstance(components, DiagonalGaussian):
        gaps, reverse = marginal_gap(single, components), reverse_marginal_gap(single, components)
    return {
        "continuous_units": continuous_units(gaps) if len(gaps) else {},
        "marginal_gap": gaps.sum().item() if len(gaps) else None,
        "marginal_gap_per_dimension": gaps.tolist(),
        "reverse_marginal_gap": reverse.sum().item() if len(reverse) else None,
        "reverse_marginal_gap_per_dimension": reverse.tolist(),
    }
