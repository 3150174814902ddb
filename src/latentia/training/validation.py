"""What a validation pass measures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from latentia.distributions import CodeDistribution, StepwiseGaussian, concatenated, information_of_each, units_of
from latentia.encoders import Encoder
from latentia.functional.dispersion import mean_cosine_distance
from latentia.nn import PosteriorHead
from latentia.objectives import Objective
from latentia.records import Batch

ACTIVE_VARIANCE = 0.01
FIRST_ROWS = 4096
"""Sequences on which quantities are measured whose cost grows faster than their number, or that need all at once."""


@torch.no_grad()
def validate(
    model: nn.Module, objective: Objective, batches: Iterable[Batch], step: int, seed: int
) -> dict[str, float]:
    """Average the costs over a corpus in evaluation mode, in nats a sequence, with noise of its own.

    ``negative_elbo`` has the KL at weight 1 whatever is trained; ``active_units`` counts the dimensions whose
    posterior mean has a variance of at least 0.01 over the corpus (Burda et al., 2016), or over all steps where a code
    is one a step; ``mutual_information`` is the full-set estimate on the first 4,096 sequences; ``feature_dispersion``
    is the mean cosine distance between pairs of these in the features that their posteriors are read from, where a
    posterior head reads one vector a sequence. Of codes of one a step there is neither of the last two.
    """
    was_training = model.training
    model.eval()
    with torch.random.fork_rng(), _features_read(model) as features:
        torch.manual_seed(seed)
        record = _average(model, objective, batches, step)
    model.train(was_training)
    if features:
        record["feature_dispersion"] = mean_cosine_distance(torch.cat(features)[:FIRST_ROWS]).item()
    return record


def _average(model: nn.Module, objective: Objective, batches: Iterable[Batch], step: int) -> dict[str, float]:
    totals: dict[str, float] = {}
    posteriors: list[CodeDistribution | StepwiseGaussian] = []
    count = 0
    for batch in batches:
        run = model(batch)
        terms = objective(run, step)
        costs = {"loss": terms.loss, "negative_elbo": terms.bound, **terms.parts}
        for name, cost in costs.items():
            totals[name] = totals.get(name, 0.0) + cost.expand_as(terms.bound).mean(dim=0).double().sum().item()
        found = (latent.posterior for latent in run.latents)
        posteriors += [each for each in found if isinstance(each, CodeDistribution | StepwiseGaussian)]
        count += len(batch)
    return {**{name: total / count for name, total in totals.items()}, **_of_codes(posteriors)}


def _of_codes(posteriors: list[CodeDistribution | StepwiseGaussian]) -> dict[str, float]:
    """Active units and, where a sequence has one code, the information."""
    aggregate = concatenated([units_of(each) for each in posteriors])
    spread = aggregate.centre.var(dim=0) if len(aggregate.centre) > 1 else torch.zeros(1)
    units = {"active_units": float((spread >= ACTIVE_VARIANCE).sum())}
    if any(isinstance(each, StepwiseGaussian) for each in posteriors):
        return units
    some = aggregate.with_parameters(*(part[:FIRST_ROWS] for part in aggregate.parameters))
    return {**units, "mutual_information": information_of_each(some, draws=1).mean().item()}


@contextmanager
def _features_read(model: nn.Module) -> Iterator[list[Tensor]]:
    """Note what the posterior head of an encoder of whole sequences is given, for the first of them."""
    features: list[Tensor] = []

    def note(_head: nn.Module, given: tuple[Tensor]) -> None:
        if given[0].ndim == 2 and sum(map(len, features)) < FIRST_ROWS:
            features.append(given[0].float())

    encoders = [module for module in model.modules() if isinstance(module, Encoder)]
    heads = [part for encoder in encoders for part in encoder.modules() if isinstance(part, PosteriorHead)]
    handles = [head.register_forward_pre_hook(note) for head in heads[:1]]
    try:
        yield features
    finally:
        for handle in handles:
            handle.remove()
