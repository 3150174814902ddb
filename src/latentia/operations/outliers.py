"""The oddest of some texts."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from latentia.data import Selection
from latentia.operations.lines import Refused
from latentia.operations.operation import operation
from latentia.operations.score import likelihoods
from latentia.operations.sinks import set_aside
from latentia.operations.space import Space
from latentia.shapes import NonNegativeInt, PositiveInt, Several

COMPARED = 1000
"""Training texts that the others are compared with."""


@dataclass(frozen=True)
class Outlier:
    """A text, and how odd it is beside the training texts.

    Attributes:
        line: Its number among the texts, counted from 1.
        text: The text.
        log_likelihood: Importance-weighted, in nats a token, the end of the text counted as one.
        log_density: Of its code under the aggregate posterior of the training texts, in nats.
        likelihood_quantile: Share of the training texts that are no likelier a token.
        density_quantile: Share of the training texts whose codes lie no denser.
        quantile: Twice the smaller of the two shares, at most 1.
    """

    line: int
    text: str
    log_likelihood: float
    log_density: float
    likelihood_quantile: float
    density_quantile: float
    quantile: float

    def __str__(self) -> str:
        """Align the numbers."""
        return (
            f"{self.quantile:6.3f}  {self.log_likelihood:7.2f} nats a token ({self.likelihood_quantile:.3f})"
            f"  log-density {self.log_density:8.2f} ({self.density_quantile:.3f})  line {self.line:,}: {self.text}"
        )


@operation
def outliers(
    space: Space, data: Iterable[str], n: PositiveInt = 10, *, samples: Several = 20, seed: NonNegativeInt = 0
) -> Iterator[Outlier | Refused]:
    r"""Find the texts that are least like the training texts.

    Two things are odd: words that the model did not expect, :math:`\log \hat p(x) / T`, and a code where training texts
    have none, :math:`\log \tfrac1N \sum_n q(z | x_n)` at the centre ``z`` of the posterior. Each is told as a quantile
    among 1,000 training texts, :math:`u = (1 + \#\{x_n : s(x_n) \le s(x)\}) / (1 + N)`, whose own posterior is left out
    of the aggregate; and the two together as :math:`\min(1, 2 \min(u_1, u_2))`. Of equally odd texts the less likely
    one comes first. Memory does not grow with the texts.

    Args:
        space: Where the texts are encoded.
        data: Where outliers are looked for.
        n: Number of texts.
        samples: Draws of a code for each text.
        seed: Of the draws.

    Raises:
        InputError: If the space does not hold its training texts, or the model has one code a token.

    Source: Bates, Candes, Lei, Romano and Sesia, Testing for Outliers with Conformal p-values, 2023, section 1.
    """
    space.require_whole_codes()
    return _oddest(space, data, n, samples, seed)


@dataclass(frozen=True)
class _Reference:
    """What training texts have, each sorted."""

    log_likelihood: Float64[Tensor, " N"]
    log_density: Float64[Tensor, " N"]


def _oddest(space: Space, data: Iterable[str], n: int, samples: int, seed: int) -> Iterator[Outlier | Refused]:
    reference = space.kept(("outliers", samples, seed), lambda: _reference(space, samples, seed))
    refused: list[Refused] = []
    judged = space.answered(data, lambda chosen, lines: _judged(space, chosen, lines, samples, seed, reference))
    yield from heapq.nsmallest(n, set_aside(judged, refused), key=lambda each: (each.quantile, each.log_likelihood))
    yield from refused


def _reference(space: Space, samples: int, seed: int) -> _Reference:
    """Both numbers of training texts spread over all lengths."""
    atlas = space.atlas
    own = np.linspace(0, len(atlas.texts) - 1, min(COMPARED, len(atlas.texts))).astype(np.int64)
    chosen, places = Selection(atlas.texts.corpus, atlas.texts.rows[own]), torch.from_numpy(own)
    # Its own posterior would make each training text look at home, as no new text is.
    density = atlas.posteriors.mixture_of_others_log_prob(atlas.posteriors.centre[places], places)
    likelihood = _a_token(space, chosen, range(-len(own), 0), samples, seed)  # no lines of what is judged
    return _Reference(likelihood.sort().values, density.sort().values)


def _judged(
    space: Space, chosen: Selection, lines: list[int], samples: int, seed: int, reference: _Reference
) -> Iterator[Outlier]:
    likelihood = _a_token(space, chosen, lines, samples, seed)
    density = space.atlas.posteriors.mixture_log_prob(space.centres(chosen))
    shares = [_quantile(likelihood, reference.log_likelihood), _quantile(density, reference.log_density)]
    together = (2 * torch.minimum(*shares)).clamp(max=1)
    columns = (likelihood, density, *shares, together)
    return map(Outlier, lines, chosen.texts(), *(column.tolist() for column in columns))


def _a_token(space: Space, chosen: Selection, lines: Sequence[int], samples: int, seed: int) -> Float64[Tensor, " N"]:
    """Importance-weighted log-likelihood of each row, in nats a token."""
    lengths = torch.from_numpy(chosen.corpus.lengths[chosen.rows])
    return likelihoods(space, chosen, lines, samples, seed)[:, 0].double() / lengths


def _quantile(values: Float64[Tensor, " P"], reference: Float64[Tensor, " N"]) -> Float[Tensor, " P"]:
    """Share of the reference that is not above each value, itself counted among it."""
    return (1 + torch.searchsorted(reference, values, right=True)) / (1 + len(reference))
