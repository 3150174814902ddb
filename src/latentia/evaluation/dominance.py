"""What single dimensions stand for that is no meaning: the length, or the first word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.subject import Advance, Subject
from latentia.shapes import PositiveInt

Floats = NDArray[np.float64]
RESAMPLES = 200


class Dominance(Measure):
    r"""Share of each dimension's variance that the length, or the first token, of a sequence explains.

    .. math::
        \epsilon^2 = 1 - \frac{N - 1}{N - G} \,
        \frac{\sum_g \sum_{i \in g} (\mu_i - \bar\mu_g)^2}{\sum_i (\mu_i - \bar\mu)^2}

    of the posterior centres, over ``G`` groups of one length, or of one first token; groups of fewer than two are left
    out. It is 0 in expectation where group and dimension are independent, however many groups there are.

    Args:
        sequences: Held-out sequences, chosen by the seed.

    Source: Kelley, An Unbiased Correlation Ratio Measure, 1935; the finding that such dimensions are common is of Bosc
    and Vincent, Do sequence-to-sequence VAEs learn global features of sentences?, 2020.
    """

    def __init__(self, sequences: PositiveInt = 4000) -> None:
        """Keep the settings."""
        self.sequences = sequences

    def unfit(self, subject: Subject) -> str:
        """A code a step has the length in its shape."""
        return "" if subject.model.whole_codes else "the codes are one a step, and hold the length in their number"

    def work(self, subject: Subject) -> int:
        """Count the sequences."""
        return min(self.sequences, len(subject.held_out))

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Group the centres twice."""
        chosen = subject.held_out.shuffled(subject.seed).first(self.sequences)
        centres = subject.centres(chosen).double().numpy()
        advance(len(chosen))
        first = np.array([ids[0] if ids else 0 for ids in chosen.tokens()])
        groups = {"length": chosen.corpus.lengths[chosen.rows].astype(np.int64), "first_token": first}
        random = np.random.default_rng(subject.seed)
        return {"sequences": len(chosen), **{name: _explained(centres, of, random) for name, of in groups.items()}}

    def lines(self, result: Result) -> Sequence[Line]:
        """The dimension that each explains most."""
        return [self._line(result[key], title) for key, title in (("length", "length"), ("first_token", "first token"))]

    def _line(self, dimensions: list[Result], title: str) -> Line:
        top = max(range(len(dimensions)), key=lambda place: dimensions[place]["value"])
        return line(
            f"variance of a dimension that the {title} explains, at most", dimensions[top], f"; dimension {top}"
        )


def epsilon_squared(values: Floats, groups: NDArray[np.int64]) -> Floats:
    """Unbiased share of the variance of each column that the groups explain; 0 where there is no variance.

    >>> epsilon_squared(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0, 0, 1, 1]))
    array([1.])
    """
    _, place, count = np.unique(groups, return_inverse=True, return_counts=True)
    kept = count[place] > 1
    _, place, count = np.unique(groups[kept], return_inverse=True, return_counts=True)
    values, freedom = values[kept], kept.sum() - len(count)
    if freedom < 1 or len(count) < 2:
        return np.zeros(values.shape[1])
    sums = np.zeros((len(count), values.shape[1]))
    np.add.at(sums, place, values)
    within = np.square(values - (sums / count[:, None])[place]).sum(axis=0)
    total = np.square(values - values.mean(axis=0)).sum(axis=0)
    share: Floats = 1 - (len(values) - 1) / freedom * within / np.where(total > 0, total, np.inf)
    return np.where(total > 0, share, 0.0)


def _explained(centres: Floats, groups: NDArray[np.int64], random: np.random.Generator) -> list[Result]:
    r"""Share of each dimension, with the spread over subsamples of half the sequences.

    A bootstrap would put copies of a sequence into one group. Halves drawn without replacement spread around the whole
    by as much as the whole does around the truth, :math:`\sigma^2 (2 / N - 1 / N)`.
    """
    half = len(centres) // 2
    chosen = (random.permutation(len(centres))[:half] for _ in range(RESAMPLES))
    spread = np.std([epsilon_squared(centres[rows], groups[rows]) for rows in chosen], axis=0)
    shares = epsilon_squared(centres, groups)
    return [
        {"value": float(share), "standard_error": float(error)} for share, error in zip(shares, spread, strict=True)
    ]
