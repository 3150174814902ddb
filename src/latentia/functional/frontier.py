"""How two histograms differ on the whole frontier between missing mass and inventing it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

SCALE, PLACES = 5.0, 25


def divergence_frontier(
    ours: Float[Tensor, " cells"], theirs: Float[Tensor, " cells"], scale: float = SCALE, places: int = PLACES
) -> Float64[Tensor, "2 places"]:
    r"""Points of the divergence curve of two histograms, from the one end of the mixture to the other.

    .. math::
        \big( e^{-c \, \mathrm{KL}(Q \| R_\lambda)}, \, e^{-c \, \mathrm{KL}(P \| R_\lambda)} \big), \qquad
        R_\lambda = \lambda P + (1 - \lambda) Q, \quad 0 < \lambda < 1

    Source: Pillutla et al., MAUVE: Measuring the Gap Between Neural Text and Human Text, 2021, equation 1.
    """
    share = torch.linspace(0, 1, places + 2, dtype=torch.float64)[1:-1, None]
    p, q = (part.double() / part.double().sum() for part in (ours, theirs))
    mixture = share * p + (1 - share) * q
    return torch.stack([(-scale * _divergence(part, mixture)).exp() for part in (q, p)])


def frontier_area(ours: Float[Tensor, " cells"], theirs: Float[Tensor, " cells"], scale: float = SCALE) -> float:
    """Area under the divergence curve, its ends at the axes included: 1 for equal histograms, near 0 for disjoint ones.

    >>> half = torch.tensor([0.5, 0.5, 0.0])
    >>> round(frontier_area(half, half), 6)
    1.0
    >>> frontier_area(half, torch.tensor([0.0, 0.0, 1.0])) < 0.01
    True
    """
    curve = divergence_frontier(ours, theirs, scale)
    across = torch.cat([torch.zeros(1), curve[0].flip(0), torch.ones(1)])
    up = torch.cat([torch.ones(1), curve[1].flip(0), torch.zeros(1)])
    order = across.argsort(stable=True)
    return torch.trapezoid(up[order], across[order]).item()


def _divergence(of: Float64[Tensor, " cells"], mixture: Float64[Tensor, "places cells"]) -> Float64[Tensor, " places"]:
    per_cell: Tensor = torch.special.xlogy(of, of / mixture)
    return per_cell.nan_to_num(nan=0.0).sum(dim=1)
