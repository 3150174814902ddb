"""The texts that a map shows and their codes, read in pieces so that requests are answered between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from latentia.data import Columns, Selection, build_corpus
from latentia.distributions import CodeDistribution, HypersphericalUniform, concatenated
from latentia.errors import InputError
from latentia.evaluation.aggregate import aggregate_of
from latentia.operations import TextSpace
from latentia.records import Batch
from latentia.reports.planes import gaussian_rows

POINTS = 20_000
"""Texts of a map; of more so many are drawn at random, once and for all."""

ROWS_AT_A_TIME = 64
"""A request waits for so many, some 20 ms of an LSTM's time; encoding more at once would be a fifth faster."""


class Survey:
    """Texts of a space and their posteriors.

    Only the thread of the model advances it; others look at it when it is complete.

    Args:
        space: Where the texts are encoded.
        texts: Returns what may be shown; without it, what the model was trained on.
    """

    def __init__(self, space: TextSpace, texts: Callable[[], Selection] | None = None) -> None:
        """Read nothing yet."""
        self.space, self._find = space, texts or (lambda: space.training)
        self._parts: list[CodeDistribution] = []
        self._rows: list[Tensor] = []

    @cached_property
    def texts(self) -> Selection:
        """What is shown, in a random order.

        Raises:
            InputError: If the model has codes of which there is no map, or no texts are at hand.
        """
        self._require_map()
        return self._find().shuffled(0).first(POINTS)

    @property
    def read(self) -> int:
        """Texts that are encoded."""
        return sum(map(len, self._rows))

    @property
    def complete(self) -> bool:
        """Whether all are."""
        return "_left" in vars(self) and self.read == len(self.texts)

    def advance(self) -> None:
        """Encode some more.

        Raises:
            InputError: If there is no map.
        """
        batch = next(self._left, None)
        if batch is not None:
            self._parts.append(aggregate_of(self.space.model, [batch]))
            self._rows.append(batch.index)

    @cached_property
    def _left(self) -> Iterator[Batch]:
        return self.texts.batches(ROWS_AT_A_TIME)

    @cached_property
    def posteriors(self) -> CodeDistribution:
        """One row a text."""
        place = np.empty(len(self.texts.corpus), dtype=np.int64)
        place[torch.cat(self._rows).numpy()] = np.arange(self.read)
        return concatenated(self._parts).at(torch.from_numpy(place[self.texts.rows]))

    @property
    def codes(self) -> Float[Tensor, "N D"]:
        """Centre of each posterior."""
        return self.posteriors.centre

    @cached_property
    def on_sphere(self) -> bool:
        """Whether codes are directions."""
        return isinstance(self.space.model.unit_prior(), HypersphericalUniform)

    @cached_property
    def label_names(self) -> list[str]:
        """Labels of the texts; none if they have none."""
        return list(self.texts.corpus.label_names)

    def texts_from(self, start: int, count: int) -> list[str]:
        """Return some texts, in their order."""
        return self.texts.corpus.texts(self.texts.rows[start : start + count])

    def _require_map(self) -> None:
        self.space.require_whole_codes()
        if self.space.model.latent_dim < 2:
            raise InputError("codes of one dimension have no plane", "open a model of two dimensions or more")

    def require_planes(self) -> None:
        """Refuse codes whose planes are not known.

        Raises:
            InputError: If posteriors are neither Gaussians nor on a sphere.
        """
        if not (self.on_sphere or gaussian_rows(self.posteriors)):
            raise InputError("these posteriors have no exact picture in a plane", "open a model of Gaussian codes")


def texts_of(space: TextSpace, sources: Sequence[str], columns: Columns) -> Selection:
    """Read texts from files, without those that are too long for the model.

    Raises:
        DataError: If there is no usable text.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "map.arrow"
        corpus, _ = build_corpus(sources, columns, space.tokenizer, path, space.max_tokens)
    return Selection.all_of(corpus)
