"""Codes from which a text is written more exactly than from the centre of its posterior."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from latentia.data import Selection
from latentia.operations.space import Space

RATE = 0.05
"""About how far a step goes in each dimension."""


def refined(space: Space, chosen: Selection, codes: Float[Tensor, "N D"], steps: int) -> Float[Tensor, "N D"]:
    r"""Ascend, from the codes of some texts, the density of the posterior that the encoder stands for.

    .. math:: \log p(x \mid z) + \log p(z)

    One encoder for all texts cannot fit each, so that what is decoded from its centres has lost more than the code must
    lose. Each text goes its own way, whatever stands beside it.

    Source: Kim et al., Semi-Amortized Variational Autoencoders, 2018, section 2.3; for the steps, Kingma and Ba, Adam,
    2015.
    """
    prior, batch = space.model.unit_prior(), chosen.whole()
    point = codes.clone().requires_grad_()
    optimizer = torch.optim.Adam([point], RATE)
    for _ in range(steps):
        with torch.enable_grad():
            where = space.supported(point)
            density = space.model.decoder(where[None]).log_prob(batch)[0] + prior.log_prob(where)
        (point.grad,) = torch.autograd.grad(-density.sum(), [point])
        optimizer.step()
    return space.supported(point.detach())
