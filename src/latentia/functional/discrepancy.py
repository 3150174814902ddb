"""Two-sample statistics."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def maximum_mean_discrepancy(
    samples: Float[Tensor, "N D"], reference: Float[Tensor, "N D"], scale: float | Float[Tensor, ""]
) -> Float[Tensor, ""]:
    r"""Squared maximum mean discrepancy of two samples, without bias, in the units of the kernel.

    .. math::
        \frac{\sum_{i \ne j} k(z_i, z_j) + \sum_{i \ne j} k(y_i, y_j)}{N (N - 1)} - \frac{2}{N^2} \sum_{ij} k(z_i, y_j),
        \qquad k(a, b) = \frac{C}{C + |a - b|^2}

    is the U-statistic: its mean is 0 for samples of one distribution, so that it can be negative. With ``i = j``
    counted it would always be positive, also for codes that follow the prior.

    Args:
        samples: At least two.
        reference: As many.
        scale: ``C``; the expected squared distance between two draws of the prior, for the standard normal twice the
            dimension and on the sphere 2. A much larger one makes the kernel linear, which sees means alone.

    Source: Tolstikhin et al., Wasserstein Auto-Encoders, 2018, algorithm 2; Gretton et al., A Kernel Two-Sample Test,
    2012, lemma 6.
    """
    count = len(samples)
    within = _kernel(samples, samples, scale) + _kernel(reference, reference, scale)
    between = _kernel(samples, reference, scale)
    # On the diagonal both kernels are 1.
    return (within.sum() - 2 * count) / (count * (count - 1)) - 2 * between.mean()


def _kernel(
    left: Float[Tensor, "N D"], right: Float[Tensor, "N D"], scale: float | Float[Tensor, ""]
) -> Float[Tensor, "N N"]:
    """Inverse multiquadratic kernel; distances are taken about one place, so that far from 0 they do not cancel."""
    centre = left.detach().mean(dim=0)
    left, right = left - centre, right - centre
    distance = left.square().sum(dim=1)[:, None] + right.square().sum(dim=1) - 2 * left @ right.T
    return scale / (scale + distance.clamp(min=0.0))
