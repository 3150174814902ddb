"""Independent Gaussians over the codes of the steps of sequences."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.distributions import Distribution, constraints

from latentia.distributions.base import CodeDistribution
from latentia.distributions.diagonal_gaussian import DiagonalGaussian
from latentia.functional.sequence import sum_where


class StepwiseGaussian(Distribution):
    r"""One code a step, all independent, :math:`\prod_t \prod_i N(z_{ti}; \mu_{ti}, \sigma_{ti}^2)`; event ``[T, D]``.

    It is no :class:`~latentia.distributions.CodeDistribution`: sequences of different length have codes in different
    spaces, so that neither a path between two of them nor an equal mixture of all is defined.

    Args:
        mean: Shape ``[B, T, D]``.
        log_variance: Of the same shape.
        mask: True at the steps of each sequence. The others have no density, and their draws are 0.
    """

    has_rsample = True
    arg_constraints = {}  # noqa: RUF012
    support = constraints.independent(constraints.real, 2)

    def __init__(
        self, mean: Float[Tensor, "B T D"], log_variance: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"]
    ) -> None:
        """Keep the parameters; they are not checked here, because a check reads them back from the device."""
        self.each, self.mask = DiagonalGaussian(mean, log_variance), mask
        super().__init__(mean.shape[:1], mean.shape[1:], validate_args=False)

    def at(self, rows: Tensor | slice) -> StepwiseGaussian:
        """Return the distribution of some sequences."""
        return StepwiseGaussian(*(part[rows] for part in (*self.each.parameters, self.mask)))

    @property
    def mean(self) -> Float[Tensor, "B T D"]:
        """The mean of each step, 0 at padding."""
        return self.each.mean * self.mask[..., None]

    @property
    def steps(self) -> DiagonalGaussian:
        """The steps of all sequences, one row a step and none for padding."""
        return DiagonalGaussian(*(part[self.mask] for part in self.each.parameters))

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Float[Tensor, "*samples B T D"]:
        """Draw each step, with gradients to its parameters."""
        return self.each.rsample(sample_shape) * self.mask[..., None]

    def log_prob(self, value: Float[Tensor, "*samples B T D"]) -> Float[Tensor, "*samples B"]:
        """Log-density of the codes of each sequence, in nats."""
        return sum_where(self.each.log_prob(value), self.mask)

    def entropy(self) -> Float[Tensor, " B"]:
        """Differential entropy of the codes of each sequence, in nats."""
        return sum_where(self.each.entropy(), self.mask)


def units_of(posterior: CodeDistribution | StepwiseGaussian) -> CodeDistribution:
    """Return the rows over which the spread of single dimensions is measured: one a sequence, or one a step."""
    return posterior.steps if isinstance(posterior, StepwiseGaussian) else posterior
