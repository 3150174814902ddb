"""Divergences between diagonal Gaussians, in closed form."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def gaussian_kl(
    mean: Float[Tensor, "*rows D"],
    log_variance: Float[Tensor, "*rows D"],
    prior_mean: Float[Tensor, "*#rows D"],
    prior_log_variance: Float[Tensor, "*#rows D"],
) -> Float[Tensor, "*rows D"]:
    r"""KL divergence of each dimension, in nats.

    .. math::
        \mathrm{KL}_i = \tfrac12 \Big( \frac{(\mu_i - m_i)^2}{v_i}
            + \frac{\sigma_i^2}{v_i} - 1 - \log \frac{\sigma_i^2}{v_i} \Big)

    ``expm1`` keeps the small value near equal variances, where ``r - 1 - log r`` cancels.

    Source: Kingma and Welling, Auto-Encoding Variational Bayes, 2014, appendix B.

    >>> import torch
    >>> zero = torch.zeros(1)
    >>> gaussian_kl(zero + 1, zero, zero, zero)
    tensor([0.5000])
    """
    log_ratio = log_variance - prior_log_variance
    shift = (mean - prior_mean).square() * (-prior_log_variance).exp()
    return 0.5 * (shift + log_ratio.expm1() - log_ratio)
