"""A discriminator between codes and draws from the prior."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from latentia.auxiliaries.base import Auxiliary
from latentia.records import Batch, Latent
from latentia.shapes import NonNegativeFloat, PositiveInt


class Adversary(Auxiliary):
    r"""The adversarial autoencoder's discriminator ``C``, trained in the same step as the model that must deceive it.

    .. math::
        \text{discriminator} = -\log C(y) - \log (1 - C(z')), \qquad \text{deception} = -\lambda \log C'(z)

    for draws ``y`` of the prior. A prime marks what has no gradient: the codes in the first cost, the weights of the
    discriminator in the second, so that each cost trains one side.

    Args:
        latent_dim: Features of a code, ``D``.
        strength: ``lambda``; much below 10 the codes do not follow.
        features: Width of the hidden layer.

    Source: Makhzani et al., Adversarial Autoencoders, 2016, section 2; strength of Shen et al., Educating Text
    Autoencoders, 2020.
    """

    own_costs = ("discriminator",)

    def __init__(self, latent_dim: PositiveInt, strength: NonNegativeFloat = 10.0, features: PositiveInt = 512) -> None:
        """Build the discriminator."""
        super().__init__()
        self.strength = strength
        self.discriminator = nn.Sequential(nn.Linear(latent_dim, features), nn.ReLU(), nn.Linear(features, 1))

    def forward(self, latent: Latent, batch: Batch) -> Mapping[str, Float[Tensor, "S B"]]:
        """Return the costs of both sides."""
        codes, drawn = latent.sample, latent.prior.sample(torch.Size(latent.sample.shape[:2]))
        frozen = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        deceived = functional_call(self.discriminator, frozen, codes)
        told = softplus(-self.discriminator(drawn)) + softplus(self.discriminator(codes.detach()))
        return {
            "discriminator": told[..., 0].float(),
            "deception": self.strength * softplus(-deceived)[..., 0].float(),
        }
