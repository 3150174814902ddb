"""The aggregate posterior of a corpus: information, active and continuous units, gaps to the prior."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from latentia.distributions import (
    CodeDistribution,
    DiagonalGaussian,
    GaussianMixture,
    SharedNoiseGaussian,
    concatenated,
    units_of,
)
from latentia.functional.aggregate import marginal_log_density
from latentia.functional.importance import mean_and_standard_error
from latentia.functional.quadrature import grid_of_mixture
from latentia.models import TextModel
from latentia.records import Batch

GRID_LIMIT, GRID_POINTS, GRID_LARGEST, SPACING = 8.0, 4097, 65_537, 0.25


@torch.no_grad()
def aggregate_of(model: TextModel, batches: Iterable[Batch]) -> CodeDistribution:
    """Encode a corpus: one row a sequence, or one a step where codes are; they stand for their equal mixture.

    Over steps it is the mixture of what single steps look like, long sequences counting for more; it says nothing of
    how the steps of a sequence belong together.
    """
    return concatenated([units_of(model.infer(batch)) for batch in batches])


def mutual_information(information: Float[Tensor, " N"]) -> dict[str, float]:
    """Average the information of each sequence; a value near its cap says that the corpus is too small to show more."""
    value, error = mean_and_standard_error(information)
    return {"value": value, "standard_error": error, "cap": math.log(len(information))}


def variances_of_means(aggregate: CodeDistribution) -> list[float]:
    """Unbiased variance of the posterior mean of each dimension over the corpus; on a sphere, of the mean direction."""
    spread: list[float] = aggregate.centre.double().var(dim=0).tolist()
    return spread


def active_units(aggregate: CodeDistribution, threshold: float = 0.01) -> int:
    r"""Count the dimensions with :math:`\mathrm{Var}_x(\mu_i) \ge` the threshold.

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders, 2016, section 5.2.
    """
    return sum(variance >= threshold for variance in variances_of_means(aggregate))


def marginal_gap(aggregate: DiagonalGaussian, prior: DiagonalGaussian) -> Float[Tensor, " D"]:
    r"""Gap of each dimension to the prior, :math:`\mathrm{KL}(p(z_i) \| q(z_i))` in nats, by quadrature.

    The published estimate draws from the prior; one dimension can be integrated instead, by the trapezoidal rule
    on 4,097 points, or as many more as the narrowest component of the prior asks for up to 65,537, from 8 standard
    deviations below the lowest component to 8 above the highest, outside of which the prior holds 1e-15 of its mass. A
    posterior much narrower than the grid's 0.004, for a standard normal prior, leaves a gap so large that its digits do
    not matter.

    Args:
        aggregate: One row a sequence, which stand for their equal mixture.
        prior: The components of the prior, one a row.

    Source: Zhang et al., Improving Variational Autoencoders with Density Gap-based Regularization, 2022, section 5.
    """
    limit = (prior.mean.abs() + GRID_LIMIT * prior.stddev).max().item()
    steps = min(GRID_LARGEST, max(GRID_POINTS, round(2 * limit / (SPACING * prior.stddev.min().item()))))
    points = torch.linspace(-limit, limit, steps, dtype=torch.float64, device=prior.mean.device)
    log_prior, log_aggregate = (
        marginal_log_density(points, each.mean, each.log_variance) for each in (prior, aggregate)
    )
    return torch.trapezoid(log_prior.exp() * (log_prior - log_aggregate), points, dim=0)


@torch.no_grad()
def reverse_marginal_gap(aggregate: DiagonalGaussian, prior: DiagonalGaussian) -> Float64[Tensor, " D"]:
    r"""Gap of each dimension, the other way round, :math:`\mathrm{KL}(q(z_i) \| p(z_i))` in nats, by quadrature.

    Their sum is the dimension-wise part of ``KL(q(z) || p(z))``; what it lacks of the whole under a factorised prior is
    the total correlation. The points follow the components, however far they lie from the prior and from each other.

    Args:
        aggregate: One row a sequence, which stand for their equal mixture.
        prior: The components of the prior, one a row.

    Source: Chen et al., Isolating Sources of Disentanglement in Variational Autoencoders, 2018, equation 2.
    """
    gaps = [_reverse_gap(_dimension(aggregate, i), _dimension(prior, i)) for i in range(aggregate.event_shape[0])]
    return torch.stack(gaps)


def _dimension(gaussian: DiagonalGaussian, i: int) -> DiagonalGaussian:
    return DiagonalGaussian(*(part[:, i : i + 1].double() for part in gaussian.parameters))


def _reverse_gap(aggregate: DiagonalGaussian, prior: DiagonalGaussian) -> Float64[Tensor, ""]:
    """The gap of one dimension."""
    points, weights = grid_of_mixture(aggregate.mean[:, 0], aggregate.stddev[:, 0], prior.stddev.min().item())
    density, reference = (
        marginal_log_density(points, each.mean, each.log_variance)[:, 0] for each in (aggregate, prior)
    )
    return (weights * density.exp() * (density - reference)).sum()


def single_dimensions(distribution: CodeDistribution) -> CodeDistribution:
    """Rows of independent Gaussians whose equal mixture has the marginals of the distribution, where there are such."""
    if isinstance(distribution, SharedNoiseGaussian):
        return distribution.marginals
    if isinstance(distribution, GaussianMixture):
        return distribution.components
    return distribution.expand([1]) if distribution.batch_shape == () else distribution


def continuous_units(
    gaps: Float[Tensor, " D"], thresholds: Iterable[float] = (0.01, 0.03, 0.05, 0.1)
) -> dict[str, int]:
    """Count the dimensions whose gap is below each threshold; a collapsed model has them all."""
    return {f"{threshold:g}": int((gaps < threshold).sum()) for threshold in thresholds}


@torch.no_grad()
def joint_gap(aggregate: CodeDistribution, prior: CodeDistribution, draws: int) -> dict[str, float]:
    r"""Gap of the whole space, :math:`\mathrm{KL}(p(z) \| q(z))`, with draws from the prior, in nats.

    Source: Zhang et al., Improving Variational Autoencoders with Density Gap-based Regularization, 2022, section 5.
    """
    codes = prior.sample(torch.Size([draws]))
    gap = prior.log_prob(codes.double()) - aggregate.mixture_log_prob(codes)
    value, error = mean_and_standard_error(gap)
    return {"value": value, "standard_error": error, "draws": draws}
