"""How evenly the text changes along the ways between codes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from latentia.decoding import Greedy
from latentia.evaluation.estimates import NO_NUMBER, average, ratio
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.subject import Advance, Subject
from latentia.functional.edits import edit_distances
from latentia.shapes import AtLeastTwo

FEWEST = 4
"""Sequences that make two pairs, so that there is a standard error."""

CHORDS = 16
"""Straight pieces whose lengths are the length of a step; on a sphere they miss less than 1e-4 of the arc."""


class Smoothness(Measure):
    r"""Change of the text a step, along the ways between posterior centres of held-out sequences.

    .. math::
        \Delta_s = \frac{d(y_{s-1}, y_s)}{\max(|y_{s-1}|, |y_s|)}, \qquad
        y_s = \text{greedy text of the code at share } s / (P - 1)

    with ``d`` the edit distance of words: insertions, deletions and substitutions, each counted once. Over the paths,
    ``change`` is the mean of the steps, ``change_per_length`` the sum of all changes over the length of all steps in
    latent space (arcs on a sphere), ``unchanged`` the share of steps with none, ``largest`` the largest step, and
    ``monotonicity`` Spearman's rank correlation of ``s`` with the distance to the path's first text; a path whose texts
    are all the same has none, and ``correlated`` counts the others. ``between_ends`` is the distance of the first text
    to the last, which the steps share out if they are even.

    A collapsed model is perfectly smooth: read it beside ``between_ends``. Errors are over paths.

    Args:
        pairs: Paths, at most half as many as there are held-out sequences.
        points: Codes decoded on each, both ends counted. A thousand decodings of sentences take some seconds.
    """

    def __init__(self, pairs: AtLeastTwo = 100, points: AtLeastTwo = 11) -> None:
        """Take the sizes."""
        self.pairs, self.points = pairs, points

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Walk between each two neighbours of a shuffled selection."""
        centres = subject.centres(subject.held_out.shuffled(subject.seed).first(2 * self._paths(subject)))
        shares = torch.linspace(0, 1, (self.points - 1) * CHORDS + 1)
        paths = torch.stack(
            [subject.model.path(a, b, shares) for a, b in zip(centres[::2], centres[1::2], strict=True)]
        )
        codes = paths[:, ::CHORDS].flatten(0, 1)
        words = [text.split() for text in subject.texts(subject.written(codes, Greedy(), advance))]
        texts = [words[first : first + self.points] for first in range(0, len(words), self.points)]
        return {
            "paths": len(paths),
            "points": self.points,
            "decoding": "greedy",
            **path_changes(texts, lengths(paths)),
        }

    def lines(self, result: Result) -> Sequence[Line]:
        """Lay out one line a number."""
        of = f"{result['paths']:,} paths of {result['points']}"
        names = {
            "change": f"edit distance a step, {of}",
            "change_per_length": "edit distance a unit of latent length",
            "unchanged": "steps that change nothing, as a share",
            "largest": "largest step of a path",
            "between_ends": "edit distance of the ends",
            "monotonicity": f"rank correlation with the distance to the start, {result['correlated']:,} paths",
        }
        return [line(name, result[key], absent="nothing changes") for key, name in names.items()]

    def work(self, subject: Subject) -> int:
        """Count the codes that are decoded."""
        return self._paths(subject) * self.points

    def unfit(self, subject: Subject) -> str:
        """Say that there is no path, or not two."""
        if not subject.model.whole_codes:
            return "between texts of one code a token there is no path"
        return "" if len(subject.held_out) >= FEWEST else f"fewer than {FEWEST} sequences are held out"

    def _paths(self, subject: Subject) -> int:
        return min(self.pairs, len(subject.held_out) // 2)


def path_changes(paths: Sequence[Sequence[Sequence[str]]], lengths: Float[Tensor, " N"]) -> Result:
    """Return the numbers of :class:`Smoothness` for texts in words along paths whose lengths in the space are known."""
    steps = torch.tensor([[distances(a, [b])[0] for a, b in pairwise(path)] for path in paths], dtype=torch.float64)
    from_start = torch.tensor([distances(path[0], path) for path in paths], dtype=torch.float64)
    correlations = torch.stack([rank_correlation(each) for each in from_start])
    known = correlations[correlations.isfinite()]
    return {
        "change": average(steps.mean(dim=1)),
        "change_per_length": ratio(steps.sum(dim=1), lengths),
        "unchanged": average((steps == 0).double().mean(dim=1)),
        "largest": average(steps.amax(dim=1)),
        "between_ends": average(from_start[:, -1]),
        "monotonicity": average(known) if len(known) > 1 else NO_NUMBER,
        "correlated": len(known),
    }


def lengths(paths: Float[Tensor, "N points D"]) -> Float[Tensor, " N"]:
    """Length of each path, the sum of its chords."""
    total: Tensor = paths.double().diff(dim=1).norm(dim=-1).sum(dim=1)
    return total


def distances(one: Sequence[str], others: Sequence[Sequence[str]]) -> list[float]:
    """Edit distance of a text in words to each of several, as a share of the longer; 0 between two empty ones.

    >>> distances("the cat sat down".split(), ["a cat sat".split()])
    [0.5]
    """
    numbers: dict[str, int] = {}
    ids = [[numbers.setdefault(word, len(numbers)) for word in text] for text in (one, *others)]
    found = edit_distances(np.array(ids[0], dtype=np.int64), ids[1:])
    return [float(each) / max(len(one), len(other), 1) for each, other in zip(found, others, strict=True)]


def rank_correlation(values: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    """Spearman's correlation of values with their places, equal values sharing their mean rank; NaN if all are equal.

    >>> rank_correlation(torch.tensor([0.0, 0.5, 0.4, 0.9]))
    tensor(0.8000, dtype=torch.float64)
    """
    below = (values[:, None] > values).double().sum(dim=1)
    ranks = below + 0.5 * (values[:, None] == values).double().sum(dim=1)
    places = torch.arange(len(values), dtype=torch.float64)
    ranks, places = ranks - ranks.mean(), places - places.mean()
    correlation: Tensor = (ranks @ places) / (ranks.norm() * places.norm())
    return correlation
