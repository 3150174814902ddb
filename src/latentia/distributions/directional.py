"""What distributions around a direction have in common."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints

from latentia.distributions.base import CodeDistribution, great_circle


class Directional(CodeDistribution, ABC):
    """A distribution on the unit sphere that is symmetric about a direction, and the narrower the more concentrated.

    Args:
        direction: ``mu``, unit vectors of shape ``[*rows, m]``.
        concentration: ``kappa >= 0``, shape ``[*rows]``.
    """

    has_rsample = True
    arg_constraints = {"direction": constraints.real_vector, "concentration": constraints.nonnegative}  # noqa: RUF012
    support = constraints.real_vector
    path = staticmethod(great_circle)

    def __init__(self, direction: Float[Tensor, "*rows D"], concentration: Float[Tensor, "*rows"]) -> None:
        """Keep the parameters; they are not checked here, because a check reads them back from the device."""
        self.direction, self.concentration = direction, concentration
        super().__init__(direction.shape[:-1], direction.shape[-1:], validate_args=False)

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Mean direction and concentration."""
        return self.direction, self.concentration

    @property
    def centre(self) -> Float[Tensor, "*rows D"]:
        """The mean direction."""
        return self.direction

    def with_parameters(self, *parameters: Tensor) -> Directional:
        """Return a distribution of this kind with other parameters."""
        return type(self)(*parameters)

    def widened(self, spread: float) -> Directional:
        r"""Divide the concentration by the square: of narrow ones the angles' variance is :math:`1 / \kappa`."""
        return self.with_parameters(self.direction, self.concentration / spread**2)

    def expand(self, batch_shape: Sequence[int], _instance: Distribution | None = None) -> Directional:
        """Repeat the distribution over new leading axes without copying."""
        rows = torch.Size(batch_shape)
        return self.with_parameters(self.direction.expand(rows + self.event_shape), self.concentration.expand(rows))
