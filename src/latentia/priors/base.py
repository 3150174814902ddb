"""What every prior does."""

from abc import ABC, abstractmethod

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.distributions import CodeDistribution


class Prior(nn.Module, ABC):
    """A distribution over codes, event shape ``[D]``."""

    density_is_exact: bool
    """True when ``log_prob`` is the density itself, False when it is a lower bound of it."""

    @abstractmethod
    def forward(self) -> CodeDistribution:
        """Return the prior, batch shape empty."""


class StepwisePrior(nn.Module, ABC):
    """A distribution over codes of one a step, event shape ``[T, D]``, of any number of steps.

    Members agree with each other over lengths: what follows the last step of a sequence integrates out.
    """

    density_is_exact: bool
    """True when ``log_prob`` is the density itself, False when it is a lower bound of it."""

    @abstractmethod
    def forward(self, mask: Bool[Tensor, "B T"]) -> Distribution:
        """Return the prior of sequences that have the steps where the mask holds, batch shape ``[B]``."""

    @abstractmethod
    def of_a_step(self) -> CodeDistribution:
        """Return the prior of a step on its own, the same for all steps, batch shape empty."""

    @abstractmethod
    def continued(
        self, codes: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"], steps: int
    ) -> Float[Tensor, "B steps D"]:
        """Return so many steps: those given, and after the last of each sequence the means to expect there."""
