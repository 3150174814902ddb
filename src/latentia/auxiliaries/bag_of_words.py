"""The code must tell the words of its sequence without their order."""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from latentia.auxiliaries.base import Auxiliary
from latentia.functional.sequence import sum_where
from latentia.records import Batch, Latent
from latentia.shapes import NonNegativeFloat, PositiveInt


class BagOfWords(Auxiliary):
    r"""Each token is predicted from the code alone, :math:`-\lambda \sum_t \log \mathrm{softmax}(f(z))_{x_t}`.

    Args:
        vocabulary_size: Tokens, ``V``.
        latent_dim: Features of a code, ``D``.
        strength: ``lambda``.
        features: Width of the hidden layer of ``f``.

    Source: Zhao, Zhao and Eskenazi, Learning Discourse-level Diversity for Neural Dialog Models using Conditional
    Variational Autoencoders, 2017, section 4.3.
    """

    def __init__(
        self,
        vocabulary_size: PositiveInt,
        latent_dim: PositiveInt,
        strength: NonNegativeFloat = 1.0,
        features: PositiveInt = 256,
    ) -> None:
        """Build the network."""
        super().__init__()
        self.strength = strength
        self.words = nn.Sequential(nn.Linear(latent_dim, features), nn.Tanh(), nn.Linear(features, vocabulary_size))

    def forward(self, latent: Latent, batch: Batch) -> Mapping[str, Float[Tensor, "S B"]]:
        """Return the cost of each sequence."""
        log_probability = self.words(latent.sample).float().log_softmax(dim=-1)
        of_tokens = log_probability.gather(2, batch.tokens.expand(len(latent.sample), -1, -1))
        return {"bag_of_words": -self.strength * sum_where(of_tokens, batch.mask)}
