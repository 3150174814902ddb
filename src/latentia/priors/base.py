"""What every prior does."""

from abc import ABC, abstractmethod

from torch import nn

from latentia.distributions import CodeDistribution


class Prior(nn.Module, ABC):
    """A distribution over codes, event shape ``[D]``."""

    density_is_exact: bool
    """True when ``log_prob`` is the density itself, False when it is a lower bound of it."""

    @abstractmethod
    def forward(self) -> CodeDistribution:
        """Return the prior, batch shape empty."""
