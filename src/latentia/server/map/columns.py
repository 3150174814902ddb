"""What points are coloured by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from latentia.data import Selection
from latentia.decoding import Greedy
from latentia.errors import InputError
from latentia.operations.score import likelihoods
from latentia.server.map.survey import Survey

ColumnName = Literal["label", "length", "cluster", "nll"]

TITLES: dict[ColumnName, str] = {
    "label": "label",
    "length": "length, words",
    "cluster": "cluster (k-means)",
    "nll": "negative ELBO, nats a token",
}

CLUSTERS, DRAWS, SCORED_AT_A_TIME = 8, 2, 64


@dataclass(frozen=True)
class Column:
    """Values of some texts.

    Attributes:
        values: Numbers, or places among the categories; null where there is none.
        categories: What the values count; none if they are numbers.
    """

    values: Sequence[float | None]
    categories: Sequence[str] = ()


class Columns:
    """Values of the texts of a survey, worked out when they are first asked for.

    Args:
        survey: A complete one.
    """

    def __init__(self, survey: Survey) -> None:
        """Work out nothing yet."""
        self._survey = survey
        self._clusters: Column | None = None
        self._scores = torch.full((len(survey.texts),), torch.nan)

    @property
    def names(self) -> list[ColumnName]:
        """Columns that there are."""
        return [name for name in TITLES if name != "label" or self._survey.label_names]

    def part(self, name: ColumnName, start: int, count: int) -> Column:
        """Return the values of some texts; of what takes long, those of the first of them.

        Raises:
            InputError: If the texts have no labels.
        """
        if name == "nll":
            return self._scored(start, min(count, SCORED_AT_A_TIME))
        column = {"label": self._labels, "length": self._lengths, "cluster": self._clustered}[name]()
        return Column(column.values[start : start + count], column.categories)

    def _labels(self) -> Column:
        names, texts = self._survey.label_names, self._survey.texts
        if not names:
            raise InputError("the texts have no labels", "train with their column named by --label")
        return Column(texts.corpus.labels[texts.rows].tolist(), names)

    def _lengths(self) -> Column:
        texts = self._survey.texts
        return Column(texts.corpus.words[texts.rows].tolist())

    def _clustered(self) -> Column:
        """Group codes once, and name each group by what its middle decodes to."""
        if self._clusters is None:
            codes = self._survey.codes.float()
            groups, middles = _groups(codes, min(CLUSTERS, len(torch.unique(codes, dim=0))))
            space = self._survey.space
            names = space.write(space.supported(middles), Greedy())
            self._clusters = Column(groups, [f"{number}: {name}" for number, name in enumerate(names, start=1)])
        return self._clusters

    def _scored(self, start: int, count: int) -> Column:
        """Estimate the bound of a few texts; what was estimated before is kept."""
        texts, wanted = self._survey.texts, slice(start, start + count)
        chosen = Selection(texts.corpus, texts.rows[wanted])
        if len(chosen) and bool(self._scores[wanted].isnan().any()):
            bounds = likelihoods(self._survey.space, chosen, range(start, start + len(chosen)), DRAWS, 0)[:, 2]
            self._scores[wanted] = -bounds.float() / torch.from_numpy(chosen.corpus.lengths[chosen.rows])
        return Column([round(each, 4) if math.isfinite(each) else None for each in self._scores[wanted].tolist()])

    def groups(self) -> list[tuple[str, int, Float[Tensor, " D"]]]:
        """Return name, size and mean code of each label."""
        names, texts = self._survey.label_names, self._survey.texts
        labels = texts.corpus.labels[texts.rows] if names else np.empty(0)
        found = [(name, torch.from_numpy(np.flatnonzero(labels == place))) for place, name in enumerate(names)]
        return [(name, len(rows), self._survey.codes[rows].mean(dim=0)) for name, rows in found if len(rows)]


def _groups(codes: Float[Tensor, "N D"], count: int) -> tuple[list[float | None], Float[Tensor, "k D"]]:
    from sklearn.cluster import KMeans

    fitted = KMeans(count, n_init=1, random_state=0).fit(codes.numpy())
    return fitted.labels_.tolist(), torch.from_numpy(fitted.cluster_centers_).float()
