"""Standard errors of what is no mean, by the bootstrap."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Shaped
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
