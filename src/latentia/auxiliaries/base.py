"""What every auxiliary network does."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from latentia.records import Batch, Latent


class Auxiliary(nn.Module, ABC):
    """Costs of codes that are trained beside the objective; they never enter a bound or a reported likelihood."""

    if_left_out = "Nothing"
    pace: float = 1.0
    """Learning rate of this network, as a share of the model's."""
    own_costs: tuple[str, ...] = ()
    """Names of the costs that train nothing but this network; they are no part of the loss that is recorded."""

    @abstractmethod
    def forward(self, latent: Latent, batch: Batch) -> Mapping[str, Float[Tensor, "S B"]]:
        """Return the costs by name, in nats, each times its strength."""


class Nothing(Auxiliary):
    """No auxiliary network."""

    def forward(self, latent: Latent, batch: Batch) -> Mapping[str, Float[Tensor, "S B"]]:
        """Return no cost."""
        return {}
