"""What every encoder does."""

from abc import ABC, abstractmethod

from torch import nn

from latentia.distributions import CodeDistribution
from latentia.records import Batch


class Encoder(nn.Module, ABC):
    """A batch of sequences to the posterior ``q(z|x)`` of each; padding and batch order change nothing."""

    embedding: nn.Embedding

    @abstractmethod
    def forward(self, batch: Batch) -> CodeDistribution:
        """Return the posteriors, batch shape ``[B]``, event shape ``[D]``."""
