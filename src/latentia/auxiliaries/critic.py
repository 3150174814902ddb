"""A critic that estimates a KL divergence from draws alone."""

from collections.abc import Mapping
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from latentia.auxiliaries.base import Auxiliary
from latentia.distributions import CodeDistribution
from latentia.records import Batch, Latent
from latentia.shapes import PositiveFloat, PositiveInt

LIMIT = 10.0
"""Value of the critic, in nats, from which on it grows logarithmically, so that its exponential grows linearly: it
cannot overflow, and neither side loses its gradient. Of a divergence beyond it the estimate is rougher, and a bound."""


class DualCritic(Auxiliary):
    r"""The dual estimate of a KL that is known by draws only: of each posterior from the prior, or of their aggregate.

    .. math::
        \widehat{\mathrm{KL}} = \mathbb E_{q(z|x)}[\nu(x, z)] - \mathbb E_{p(z)}[e^{\nu(x, z)}] + 1
        \;\le\; \mathrm{KL}(q(z|x) \| p(z)), \qquad
        \text{critic} = -\widehat{\mathrm{KL}}

    with equality at :math:`\nu = \log q(z|x) / p(z)`. The critic is trained to raise the estimate and the encoder to
    lower it, each with the other held fixed. A critic that is not optimal under-estimates the KL, so that
    reconstruction plus estimate is no bound of ``-log p(x)``, and it is never reported as one.

    The critic knows ``x`` by the centre of its posterior, which for :math:`z = G(x, \epsilon)` is :math:`G(x, 0)`.

    Attributes:
        estimated: The divergence whose estimate this is.

    Args:
        latent_dim: Features of a code, ``D``.
        of_each: Let the critic know the sequence: the KL of each posterior (iVAE). Without, the KL of their aggregate,
            which leaves the mutual information free (iVAE-MI).
        features: Width of the critic's two hidden layers.
        pace: Learning rate of the critic, as a share of the model's. A slow one leaves the KL to grow; a fast one
            throws single draws of the prior far up, whose exponential then is all that it sees.

    Source: Fang et al., Implicit Deep Latent Variable Models for Text Generation, 2019, equations 5 to 9.
    """

    own_costs = ("critic",)

    def __init__(
        self, latent_dim: PositiveInt, of_each: bool = True, features: PositiveInt = 512, pace: PositiveFloat = 1.0
    ) -> None:
        """Build the critic."""
        super().__init__()
        self.of_each, self.pace = of_each, pace
        self.estimated = "KL(q(z|x) || p(z))" if of_each else "KL(q(z) || p(z))"
        self.critic = nn.Sequential(
            nn.Linear(latent_dim * (1 + of_each), features), nn.LeakyReLU(0.2),
            nn.Linear(features, features), nn.LeakyReLU(0.2),
            nn.Linear(features, 1),
        )  # fmt: skip

    def forward(self, latent: Latent, batch: Batch) -> Mapping[str, Float[Tensor, "S B"]]:
        """Return the cost of the critic and the estimate."""
        codes, centre = latent.sample, cast(CodeDistribution, latent.posterior).centre.detach()
        drawn = latent.prior.sample(torch.Size(codes.shape[:2]))
        weights = dict(self.critic.named_parameters())
        frozen = {name: weight.detach() for name, weight in weights.items()}
        of_drawn = self._judge(drawn, centre, weights).exp()
        critic = of_drawn - self._judge(codes.detach(), centre, weights) - 1
        return {"critic": critic, "dual_kl": self._judge(codes, centre, frozen) - of_drawn.detach() + 1}

    def _judge(
        self, codes: Float[Tensor, "S B D"], centre: Float[Tensor, "B D"], weights: Mapping[str, Tensor]
    ) -> Float[Tensor, "S B"]:
        """The value of the critic with these weights."""
        seen = torch.cat([codes, centre.expand_as(codes)], dim=-1) if self.of_each else codes
        value: Tensor = functional_call(self.critic, dict(weights), seen)
        value = value[..., 0].float()
        return value.clamp(max=LIMIT) + (value - LIMIT).clamp(min=0).log1p()
