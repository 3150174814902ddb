"""What every decoder of sequences does."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from latentia.distributions import TokenSequence
from latentia.records import Batch


class Decoder(nn.Module, ABC):
    """Latent codes to the distribution ``p(x|z)`` over sequences, a :class:`~latentia.distributions.TokenSequence`.

    A code is one vector a sequence, ``[D]``. A decoder that ``reads_steps`` also takes one a step, ``[T, D]``, with at
    least as many steps as tokens, and shows ``z_1 .. z_t`` alone to the token ``x_t``.
    """

    embedding: nn.Embedding
    reads_steps: ClassVar[bool] = False

    def forward(self, latent: Float[Tensor, "S B *code"]) -> TokenSequence:
        """Return the likelihood given each code, batch shape ``[S, B]``; nothing is computed yet."""
        return TokenSequence(self, latent)

    @abstractmethod
    def score(self, latent: Float[Tensor, "S B *code"], batch: Batch) -> Float[Tensor, "S B T"]:
        """Log-probability of each token given those before it, in nats, 0 at padding."""

    @abstractmethod
    def start(self, latent: Float[Tensor, "N *code"]) -> tuple[Tensor, ...]:
        """State before the first token; the first axis of each tensor is the row."""

    @abstractmethod
    def advance(
        self, state: tuple[Tensor, ...], tokens: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N V"], tuple[Tensor, ...]]:
        """Read one token a row; return the log-probabilities of the next, and the state."""
