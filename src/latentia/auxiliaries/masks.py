"""Which decoder inputs are hidden while training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentia.functional.projection import capped_simplex, largest, reversed_gradient
from latentia.functional.sequence import sum_where
from latentia.records import Batch
from latentia.shapes import NonNegativeFloat, PositiveFloat, PositiveInt, ShareBelowOne


class WordMask(nn.Module, ABC):
    """How much the decoder sees of each of its inputs while training, and what that choice costs.

    Attributes:
        pace: Learning rate of its weights, as a share of the model's.
    """

    if_left_out = "Unmasked"
    pace: float = 1.0

    @abstractmethod
    def forward(self, batch: Batch) -> tuple[Float[Tensor, "#B #T"], Mapping[str, Float[Tensor, " B"]]]:
        """Return the visibility of each decoder input, from 0 to 1, and costs by name in nats."""


class Unmasked(WordMask):
    """Everything is seen."""

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "#B #T"], Mapping[str, Float[Tensor, " B"]]]:
        """Return 1 for all."""
        return torch.ones(1, 1, device=batch.tokens.device), {}


class AdversarialMask(WordMask):
    r"""A network that reads the sequence hides the inputs that the decoder misses most.

    .. math::
        s_t \sim N(a_t(x), v), \qquad \text{visible} = \Pi_k(s), \quad k = \mathrm{round}((T - 1)(1 - R)), \qquad
        \min_{\theta} \max_{\phi} \; \text{loss}(\theta, \phi) - \lambda \sum_t \mathrm{KL}(N(a_t, v) \| N(0, v))

    with the projection onto ``k`` inputs, soft or of the largest. The network's gradient is reversed on the way through
    the mask, and not on that of its own penalty, which keeps the mask random: without it the decoder learns the
    hidden places, and a large one hides words uniformly at random. BOS is always seen, targets are never masked, and
    in evaluation mode all is seen.

    Args:
        vocabulary_size: Tokens, ``V``.
        rate: ``R``, the share of inputs hidden.
        strength: ``lambda``; for want of a published value, one at which words are not hidden at random.
        selection: ``soft`` visibilities between 0 and 1, or ``hard`` ones.
        deviation: Square root of ``v``.
        features: Size of the network's embeddings and states.
        pace: Learning rate of the network, as a share of the model's; the two are not meant to learn at one rate.

    Source: Miladinovic et al., Learning to Drop Out: An Adversarial Approach to Training Sequence VAEs, 2022.
    """

    def __init__(
        self,
        vocabulary_size: PositiveInt,
        rate: ShareBelowOne = 0.3,
        strength: NonNegativeFloat = 0.02,
        selection: Literal["soft", "hard"] = "soft",
        deviation: PositiveFloat = 1.0,
        features: PositiveInt = 64,
        pace: PositiveFloat = 0.1,
    ) -> None:
        """Build the network."""
        super().__init__()
        self.rate, self.strength, self.deviation, self.pace = rate, strength, deviation, pace
        self.select = capped_simplex if selection == "soft" else largest
        self.embedding = nn.Embedding(vocabulary_size, features)
        self.recurrence = nn.LSTM(features, features, batch_first=True)
        self.score = nn.Linear(features, 1)

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "#B #T"], Mapping[str, Float[Tensor, " B"]]]:
        """Return what is seen, and the penalty of the scores."""
        if not self.training:
            return torch.ones(1, 1, device=batch.tokens.device), {}
        inputs, counts = batch.tokens[:, :-1], batch.lengths - 1
        words = torch.arange(inputs.shape[1], device=inputs.device) < counts[:, None]
        states, _ = self.recurrence(self.embedding(inputs))
        mean = self.score(states)[..., 0].float()
        scores = mean + self.deviation * torch.randn_like(mean)
        seen = self.select(scores, words, (counts * (1 - self.rate)).round())
        penalty = sum_where(0.5 * (mean / self.deviation).square(), words)
        visible = nn.functional.pad(reversed_gradient(seen), (1, 0), value=1.0)
        return visible, {"mask": self.strength * penalty}
