"""Standard errors of what is no mean, by the bootstrap."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

SEED = 0


def bootstrap_error(
    statistic: Callable[..., float], samples: tuple[Shaped[Tensor, "_ *columns"], ...], resamples: int = 200
) -> float:
    r"""Standard deviation of a statistic over resamples, with replacement, of each of independent samples.

    Resamples that give no finite number, as a ratio of copies of one row, are left out.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, algorithm 6.1; section 8.3 for two samples.

    >>> values = torch.arange(100.0)
    >>> round(bootstrap_error(lambda x: x.mean().item(), (values,)))
    3
    """
    generator = torch.Generator().manual_seed(SEED)
    values = [statistic(*(_resampled(sample, generator) for sample in samples)) for _ in range(resamples)]
    found = torch.tensor(values, dtype=torch.float64)
    return found[found.isfinite()].std().item()


def _resampled(sample: Tensor, generator: torch.Generator) -> Tensor:
    return sample[torch.randint(len(sample), (len(sample),), generator=generator)]


def paired_interval(
    differences: Float[Tensor, "runs N"], level: float = 0.95, resamples: int = 2000
) -> tuple[float, float]:
    r"""Interval of a mean difference over runs and examples, both of which are drawn anew in each resample.

    :math:`\sum_{rn} v_r w_n d_{rn} / (R N)` with multinomial counts ``v`` of the runs and ``w`` of the examples: an
    example counts alike in all runs, as one test set does.

    Args:
        differences: Of two methods on the same example in the same run.
        level: Share of the resamples within the interval.
        resamples: Number of them.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3, percentiles; Owen, The
    Pigeonhole Bootstrap, 2007, for drawing both ways.

    >>> low, high = paired_interval(torch.tensor([[0.0, 1.0, 0.0, 1.0]]).repeat(3, 25))
    >>> round(low, 1), round(high, 1)
    (0.4, 0.6)
    """
    generator = torch.Generator().manual_seed(SEED)
    runs, count = differences.shape
    of_runs, of_examples = (_counts(resamples, size, generator).to(differences) for size in (runs, count))
    means = ((of_runs @ differences) * of_examples).sum(dim=1) / (runs * count)
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2]).to(means)
    low, high = torch.quantile(means, ends).tolist()
    return low, high


def _counts(resamples: int, size: int, generator: torch.Generator) -> Tensor:
    """How often each of so many is drawn in each resample."""
    drawn = torch.randint(size, (resamples, size), generator=generator)
    return torch.zeros(resamples, size).scatter_add_(1, drawn, torch.ones(resamples, size))


def share_beyond(values: Shaped[Tensor, " N"], reference: Shaped[Tensor, " M"], quantile: float) -> tuple[float, float]:
    r"""Share of values above a quantile of a reference, and that quantile.

    Where both have one continuous distribution, the share is about ``1 - quantile`` in expectation, as long as the
    reference holds :math:`1 / (1 - \text{quantile})` values: the quantile lies at the place ``quantile (M + 1)`` in
    order, between two values in proportion. Fewer do not reach it: the largest stands for it, above which lie
    :math:`1 / (M + 1)`.

    Source: Weibull's plotting position; Hyndman and Fan, Sample Quantiles in Statistical Packages, 1996, definition 6.

    >>> share_beyond(torch.tensor([0.5, 1.5, 2.5, 9.0]), torch.arange(3.0), 0.75)
    (0.5, 2.0)
    """
    ordered, place = reference.double().sort().values, quantile * (len(reference) + 1) - 1
    below = min(max(int(place), 0), len(ordered) - 1)
    above = min(below + 1, len(ordered) - 1)
    limit = torch.lerp(ordered[below], ordered[above], min(max(place - below, 0.0), 1.0)).item()
    return (values.double() > limit).double().mean().item(), limit
