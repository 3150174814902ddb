"""What every distribution over codes does."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.distributions import Distribution

from latentia.functional.aggregate import log_sum_of_exponentials

CHUNK = 2**23
"""Numbers held at a time in a mixture; more make its products no faster."""


class CodeDistribution(Distribution, ABC):
    """A distribution over codes, event shape ``[D]``, that knows its centre and how to stand in a mixture."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[Tensor, ...]:
        """The tensors that the constructor takes, in its order."""

    @property
    @abstractmethod
    def centre(self) -> Float[Tensor, "*rows D"]:
        """The code that stands for the distribution: in its support, where its mean may not be."""

    @abstractmethod
    def component_log_prob(self, codes: Float64[Tensor, "P D"]) -> Float64[Tensor, "P N"]:
        """Log-density of each code under each of ``N`` rows, in nats, without a tensor of size ``P N D``."""

    @abstractmethod
    def path(
        self, start: Float[Tensor, " D"], end: Float[Tensor, " D"], share: Float[Tensor, " steps"]
    ) -> Float[Tensor, "steps D"]:
        """Codes on the shortest way from ``start``, at share 0, to ``end``, at share 1, within the support."""

    @abstractmethod
    def with_parameters(self, *parameters: Tensor) -> CodeDistribution:
        """Return a distribution of this kind with other parameters, such as some of the rows."""

    def at(self, rows: Tensor | slice) -> CodeDistribution:
        """Return the distribution of some rows."""
        return self.with_parameters(*(part[rows] for part in self.parameters))

    @abstractmethod
    def widened(self, spread: float) -> CodeDistribution:
        """Return the distribution with its standard deviations so many times as large, around the same centres."""

    @torch.no_grad()
    def mixture_log_prob(self, codes: Float[Tensor, "P D"], chunk: int = CHUNK) -> Float64[Tensor, " P"]:
        r"""Log-density of the equal mixture of all rows, :math:`\log \tfrac1N \sum_n q_n(z)`, in nats.

        It has no gradients, and errs by less than 1e-6 nats beside the components' own rounding. At most about
        ``chunk`` numbers are held at a time beside the result.
        """
        return self._log_mean(codes, codes.new_empty((len(codes), 0), dtype=torch.long), chunk)

    @torch.no_grad()
    def mixture_of_others_log_prob(
        self, codes: Float[Tensor, "P D"], own: Int[Tensor, " P"], chunk: int = CHUNK
    ) -> Float64[Tensor, " P"]:
        r"""Log-density of the mixture of all rows but one, :math:`\log \tfrac1{N-1} \sum_{n \ne k} q_n(z)`, in nats.

        Args:
            codes: Where it is evaluated.
            own: The row ``k`` that is left out for each code, as the one that it was drawn from; there are others.
            chunk: As of :meth:`mixture_log_prob`.
        """
        return self._log_mean(codes, own[:, None], chunk)

    def _log_mean(
        self, codes: Float[Tensor, "P D"], left_out: Int[Tensor, "P few"], chunk: int
    ) -> Float64[Tensor, " P"]:
        """Log-density of the mixture of all rows but those left out for each code."""
        rows = self.batch_shape[0]
        step = max(1, chunk // rows)
        # Written into one tensor: small results that are kept between large ones that are freed leave gaps in memory
        # which these do not fit into again.
        density = codes.new_empty(len(codes), dtype=torch.float64)
        for start in range(0, len(codes), step):
            here = slice(start, start + step)
            components = self.component_log_prob(codes[here].double())
            # Taken out of the sum before it is formed: from the finished one, what remains would cancel.
            density[here] = log_sum_of_exponentials(components.scatter_(1, left_out[here], -torch.inf))
        return density - math.log(rows - left_out.shape[1])


@torch.no_grad()
def information_of_each(posteriors: CodeDistribution, draws: int) -> Float64[Tensor, " N"]:
    r"""Information that the code of each sequence carries about its index, full-set estimate, in nats.

    .. math:: I = \mathbb E_x \, \mathbb E_{q(z|x)} \big[ \log q(z|x) - \log \tfrac1N \sum_n q(z|x_n) \big]

    The mixture holds the sample's own component, so that no value exceeds ``log N``.

    Args:
        posteriors: One row a sequence.
        draws: Codes drawn from each posterior.

    Source: Hoffman and Johnson, ELBO Surgery, 2016; the full-set plug-in of Li et al., 2019.
    """
    codes = posteriors.sample(torch.Size([draws]))
    own = posteriors.log_prob(codes.double())
    mixture = posteriors.mixture_log_prob(codes.flatten(0, 1)).view_as(own)
    return (own - mixture).mean(dim=0)


def concatenated(parts: Sequence[CodeDistribution]) -> CodeDistribution:
    """Join the rows of several distributions of one kind."""
    columns = zip(*(part.parameters for part in parts), strict=True)
    return parts[0].with_parameters(*(torch.cat(column) for column in columns))


def straight_path(
    start: Float[Tensor, " D"], end: Float[Tensor, " D"], share: Float[Tensor, " steps"]
) -> Float[Tensor, "steps D"]:
    r"""The line :math:`(1 - t) a + t b`."""
    return torch.lerp(start, end, share[:, None])


def great_circle(
    start: Float[Tensor, " D"], end: Float[Tensor, " D"], share: Float[Tensor, " steps"]
) -> Float[Tensor, "steps D"]:
    r"""The great circle between directions, :math:`(\sin((1 - t) \omega) a + \sin(t \omega) b) / \sin \omega`.

    Between opposite directions every great circle is as short; one is taken.

    Source: Shoemake, Animating Rotation with Quaternion Curves, 1985, section 3.3.

    >>> halfway = great_circle(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([0.5]))
    >>> halfway
    tensor([[0.7071, 0.7071]])
    """
    angle = 2 * torch.atan2((end - start).norm(), (end + start).norm())
    across = end - (start @ end) * start
    if bool(across.norm() < 1e-6):
        across = torch.roll(start, 1) * torch.linspace(1, 2, len(start), dtype=start.dtype, device=start.device)
    # Twice, because what is left of an end that is nearly opposite still leans to the start.
    for _ in range(2):
        across = torch.nn.functional.normalize(across - (start @ across) * start, dim=0)
    turned = (share * angle)[:, None]
    return start * turned.cos() + across * turned.sin()
