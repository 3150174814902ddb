"""How far apart the features of different sequences are, and in how many directions."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import normalize


def mean_cosine_distance(features: Float[Tensor, "N H"]) -> Float64[Tensor, ""]:
    r"""Mean of :math:`1 - \cos(h_i, h_j)` over all pairs of different rows, from 0 for parallel rows to 2.

    .. math:: 1 - \frac{|\sum_i u_i|^2 - \sum_i |u_i|^2}{N (N - 1)}, \qquad u_i = h_i / |h_i|

    is exact and makes no pairs. Features that hardly differ are told apart in float64; fewer than two rows have no
    distance, and give 0.

    Source: Long, Cao and Cheung, On Posterior Collapse and Encoder Feature Dispersion in Sequence VAEs, 2019.

    >>> round(mean_cosine_distance(torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]])).item(), 4)
    0.6667
    """
    units, count = normalize(features.double(), dim=1), len(features)
    alike = (units.sum(dim=0).square().sum() - units.square().sum()) / max(1, count * (count - 1))
    return 1 - alike if count > 1 else alike * 0


def participation_ratio(codes: Float[Tensor, "N D"]) -> float:
    r"""Effective number of dimensions in which codes vary, from 1 to ``D``; NaN where they do not.

    .. math:: \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2} = \frac{(\mathrm{tr} \, C)^2}{\mathrm{tr} \, C^2}

    with the eigenvalues of the covariance ``C``, none of which need be computed. It is ``D`` where all directions vary
    alike, and turning the space changes nothing.

    Source: Gao et al., A Theory of Multineuronal Dimensionality, Dynamics and Measurement, 2017, equation 4.

    >>> participation_ratio(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    2.0
    """
    covariance = torch.cov(codes.double().T).reshape(codes.shape[1], -1)
    return (covariance.trace().square() / covariance.square().sum()).item()
