"""The uniform distribution on the unit sphere."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl

from latentia.distributions.base import CodeDistribution, great_circle
from latentia.functional.sphere import log_area


class HypersphericalUniform(CodeDistribution):
    r"""Every direction alike, :math:`p(z) = \Gamma(m/2) / (2 \pi^{m/2})` on the unit sphere of ``R^m``.

    Args:
        like: Any tensor with the shape, dtype and device of one draw, ``[*rows, m]``.
    """

    has_rsample = True
    arg_constraints = {}  # noqa: RUF012
    support = constraints.real_vector

    def __init__(self, like: Float[Tensor, "*rows D"]) -> None:
        """Take the shape."""
        self.like = like
        super().__init__(like.shape[:-1], like.shape[-1:], validate_args=False)

    path = staticmethod(great_circle)

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """The tensor of the right shape."""
        return (self.like,)

    @property
    def centre(self) -> Float[Tensor, "*rows D"]:
        """The first axis, as good as any."""
        return torch.eye(self.event_shape[0], dtype=self.like.dtype, device=self.like.device)[0].expand_as(self.like)

    @property
    def mean(self) -> Float[Tensor, "*rows D"]:
        """The origin, which is no point of the sphere."""
        return torch.zeros_like(self.like)

    @property
    def variance(self) -> Float[Tensor, "*rows D"]:
        """The variance of each dimension; squares of a direction sum to 1."""
        return torch.full_like(self.like, 1 / self.event_shape[0])

    def with_parameters(self, *parameters: Tensor) -> HypersphericalUniform:
        """Return a distribution of this kind with other parameters."""
        return HypersphericalUniform(*parameters)

    def widened(self, spread: float) -> HypersphericalUniform:
        """Return the distribution itself: nothing is wider."""
        return self

    def expand(self, batch_shape: Sequence[int], _instance: Distribution | None = None) -> HypersphericalUniform:
        """Repeat the distribution over new leading axes without copying."""
        return HypersphericalUniform(self.like.expand(torch.Size(batch_shape) + self.event_shape))

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Float[Tensor, "*samples D"]:
        """Draw directions."""
        noise = torch.randn(
            self._extended_shape(torch.Size(sample_shape)), dtype=self.like.dtype, device=self.like.device
        )
        return torch.nn.functional.normalize(noise, dim=-1)

    def log_prob(self, value: Float[Tensor, "*samples D"]) -> Float[Tensor, "*rows"]:
        """Log-density of each row, in nats against the surface measure."""
        rows = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return value.new_full(rows, -log_area(self.event_shape[0]))

    def component_log_prob(self, codes: Float64[Tensor, "P D"]) -> Float64[Tensor, "P N"]:
        """Log-density of each code under each of ``N`` rows, in nats."""
        return codes.new_full((len(codes), *self.batch_shape), -log_area(self.event_shape[0]))

    def entropy(self) -> Float[Tensor, "*rows"]:
        """Log of the area, in nats."""
        return self.like.new_full(self.batch_shape, log_area(self.event_shape[0]))


@register_kl(HypersphericalUniform, HypersphericalUniform)
def _kl_uniform_uniform(posterior: HypersphericalUniform, prior: HypersphericalUniform) -> Tensor:
    return torch.zeros_like(posterior.entropy() + prior.entropy())


def direction_across(direction: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows D"]:
    """Draw unit vectors uniformly among those at right angles to the given ones, with gradients to these."""
    across = torch.randn_like(direction)
    # Twice, because what is left of noise that lay almost along the direction still leans to it.
    for _ in range(2):
        along = (across * direction).sum(dim=-1, keepdim=True)
        across = torch.nn.functional.normalize(across - along * direction, dim=-1)
    return across


def cosines(codes: Float64[Tensor, "P D"], directions: Float[Tensor, "N D"]) -> Float64[Tensor, "P N"]:
    r"""Cosine between each code and each direction as :math:`1 - \tfrac12 |z - \mu|^2`.

    Lengths that float32 rounded are then no difference in cosine, as they are none in the density of a single row,
    where a concentration of ``1e6`` would make a tenth of a nat of them.
    """
    directions = directions.double()
    length, their_length = (0.5 * (1 - part.square().sum(dim=1)) for part in (codes, directions))
    return torch.addmm(their_length, codes, directions.T) + length[:, None]
