"""Ways that stay where the aggregate posterior has mass."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from latentia.distributions import CodeDistribution
from latentia.functional.relaxation import energy, evenly_spaced, relaxed, through_neighbours
from latentia.operations.space import Space, seeded

POINTS = 32
"""Points of a way while it is bent, beside those that are asked for."""

COMPONENTS = 1000
"""Posteriors that stand for the aggregate."""

UNUSUAL = 0.1
"""Share of the aggregate's own draws that are less dense than where a way is drawn on."""


def populated_way(space: Space, way: Float[Tensor, "steps D"]) -> Float[Tensor, "steps D"]:
    """Bend a way around what is empty; the ends stay.

    Raises:
        InputError: If the space does not hold its training texts.
    """
    return bent(way, space.atlas.posteriors, space.supported)


def bent(
    way: Float[Tensor, "steps D"], aggregate: CodeDistribution, within: Callable[[Tensor], Tensor]
) -> Float[Tensor, "steps D"]:
    """Bend a way around what is empty of an aggregate posterior.

    The energy has several minima, since a way may pass an empty place on either side or jump it: what is reached from
    the way itself and from the cheapest one over the centres of posteriors are compared.

    Args:
        way: At equal distances from end to end.
        aggregate: One row a text.
        within: Returns codes to the support of the prior.
    """
    if torch.equal(way[0], way[-1]):
        return way
    few = _thinned(aggregate)
    density, level, points = partial(log_density, few), usual_density(few), max(POINTS, len(way))
    begins = (way, through_neighbours(way[0], way[-1], few.centre))
    paths = [relaxed(within(evenly_spaced(begin, points)), density, level, within=within) for begin in begins]
    path = min(paths, key=lambda each: energy(each, density, level))
    return torch.cat([way[:1], within(evenly_spaced(path, len(way)))[1:-1], way[-1:]])


def log_density(aggregate: CodeDistribution, codes: Float[Tensor, "P D"]) -> Tensor:
    """Log-density of the equal mixture of all rows, in nats, with gradients to the codes."""
    components = aggregate.component_log_prob(codes.double())
    return components.logsumexp(dim=1) - math.log(components.shape[1])


def usual_density(aggregate: CodeDistribution) -> float:
    """Log-density that nine in ten draws of the aggregate reach, each under the mixture of all other rows."""
    with seeded(0):
        codes = aggregate.sample()
    if len(codes) == 1:
        return float(aggregate.mixture_log_prob(codes))
    density = aggregate.mixture_of_others_log_prob(codes, torch.arange(len(codes)))
    return density.quantile(UNUSUAL).item()


def _thinned(aggregate: CodeDistribution) -> CodeDistribution:
    """Take rows at equal distances, as few as may stand for all, detached."""
    parts = [each.detach() for each in aggregate.parameters]
    every = -(-len(parts[0]) // COMPONENTS)
    return aggregate.with_parameters(*(each[::every] for each in parts))
