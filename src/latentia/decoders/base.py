"""What every decoder of sequences does."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn

from latentia.distributions import TokenSequence
from latentia.records import Batch


class Decoder(nn.Module, ABC):
    """Latent codes to the distribution ``p(x|z)`` over sequences, a :class:`~latentia.distributions.TokenSequence`."""

    embedding: nn.Embedding

    def forward(self, latent: Float[Tensor, "S B D"]) -> TokenSequence:
        """Return the likelihood given each code, batch shape ``[S, B]``; nothing is computed yet."""
        return TokenSequence(self, latent)

    @abstractmethod
    def score(self, latent: Float[Tensor, "S B D"], batch: Batch) -> Float[Tensor, "S B T"]:
        """Log-probability of each token given those before it, in nats, 0 at padding."""

    @abstractmethod
    def start(self, latent: Float[Tensor, "N D"]) -> tuple[Tensor, ...]:
        """State before the first token; the first axis of each tensor is the row."""

    @abstractmethod
    def advance(
        self, state: tuple[Tensor, ...], tokens: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N V"], tuple[Tensor, ...]]:
        """Read one token a row; return the log-probabilities of the next, and the state."""
