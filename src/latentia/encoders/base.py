"""What every encoder does."""

from abc import ABC, abstractmethod

from torch import nn

from latentia.distributions import CodeDistribution, StepwiseGaussian
from latentia.records import Batch


class Encoder(nn.Module, ABC):
    """A batch of sequences to the posterior ``q(z|x)`` of each; padding and batch order change nothing."""

    embedding: nn.Embedding

    @property
    def any_lengths(self) -> bool:
        """Whether a batch of thousands of any lengths takes no more work and memory now than small ones of equal."""
        return False

    @abstractmethod
    def forward(self, batch: Batch) -> CodeDistribution:
        """Return the posteriors, batch shape ``[B]``, event shape ``[D]``."""


class StepwiseEncoder(nn.Module, ABC):
    """A batch of sequences to the posterior of one code a step, of which ``z_t`` sees ``x_t .. x_T`` alone.

    Padding and batch order change nothing.
    """

    embedding: nn.Embedding

    @abstractmethod
    def forward(self, batch: Batch) -> StepwiseGaussian:
        """Return the posteriors, batch shape ``[B]``, event shape ``[T, D]``."""
