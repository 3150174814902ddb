"""All that a page shows of one space, each part worked out once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cached_property
from importlib.util import find_spec
from typing import Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from latentia.errors import InputError
from latentia.functional.nearest import nearest
from latentia.server.map.columns import Columns
from latentia.server.map.survey import Survey
from latentia.server.map.views import Layout, Neighbourly, View
from latentia.server.problems import busy

PlaneKind = Literal["difference", "principal", "dimensions", "neighbours"]

KEPT = 24
"""Planes that are kept; each is a few hundred kilobytes."""

Choice = tuple[PlaneKind, int, int]
"""A plane: its kind, and two dimensions that only ``dimensions`` looks at."""


class Chart:
    """Planes and columns of a survey.

    Args:
        survey: Whose texts are shown.
    """

    def __init__(self, survey: Survey) -> None:
        """Work out nothing yet."""
        self.survey = survey
        self._views: OrderedDict[Choice, View] = OrderedDict()
        self._search: _Search | None = None

    @cached_property
    def columns(self) -> Columns:
        """What points are coloured by."""
        return Columns(self.survey)

    @cached_property
    def _layout(self) -> Layout:
        return Layout(self.survey)

    def view(self, choice: Choice) -> View:
        """Return a plane.

        Raises:
            InputError: If there is none such.
            ProblemError: If it is not finished.
        """
        self.survey.require_planes()
        kind, first, second = choice
        key = choice if kind == "dimensions" else (kind, 0, 0)
        found = self._views.pop(key, None) or self._made(kind, first, second)
        self._views[key] = found
        while len(self._views) > KEPT:
            self._views.popitem(last=False)
        return found

    def places(self, choice: Choice) -> Float64[Tensor, "N 2"]:
        """Return where the texts are in a plane."""
        view = self.view(choice)
        return self._neighbours() if choice[0] == "neighbours" else view.places(self.survey.codes)

    def nearest(self, codes: Float[Tensor, "P D"], count: int) -> list[list[tuple[int, float]]]:
        """Return places and distances of the texts whose codes are nearest to each of some."""
        found = nearest(codes, self.survey.codes, count)
        pairs = zip(found.rows.tolist(), found.distances.tolist(), strict=True)
        return [list(zip(rows, distances, strict=True)) for rows, distances in pairs]

    def unavailable(self, kind: PlaneKind) -> str:
        """Say why a kind of plane cannot be had; nothing if it can."""
        if kind == "neighbours" and find_spec("umap") is None:
            return "needs umap-learn: pip install 'latentia[umap]'"
        if kind == "difference" and self.survey.on_sphere:
            return "is not known on a sphere"
        return ""

    def _made(self, kind: PlaneKind, first: int, second: int) -> View:
        if problem := self.unavailable(kind):
            raise InputError(f"the plane {kind!r} {problem}", "choose another plane")
        if kind == "neighbours":
            return Neighbourly(self.survey.codes, self._neighbours(), self.survey.on_sphere)
        return self._dimensions(first, second) if kind == "dimensions" else getattr(self._layout, kind)()

    def _dimensions(self, first: int, second: int) -> View:
        size = self.survey.space.model.latent_dim
        if first == second or max(first, second) >= size:
            raise InputError(
                f"the dimensions are {first} and {second}", f"name two different ones from 0 to {size - 1}"
            )
        return self._layout.dimensions(first, second)

    def _neighbours(self) -> Float64[Tensor, "N 2"]:
        """Return the map of neighbours, which is made beside the thread of the model.

        Raises:
            ProblemError: If it is not finished.
        """
        if self._search is None:
            self._search = _Search(self.survey.codes, self.survey.on_sphere)
        return self._search.result()


class _Search:
    """A map of neighbours in the making."""

    def __init__(self, codes: Float[Tensor, "N D"], on_sphere: bool) -> None:
        self._codes, self._metric = codes.float().numpy(), "cosine" if on_sphere else "euclidean"
        self._places: Float64[Tensor, "N 2"] | None = None
        self._error: Exception | None = None
        threading.Thread(target=self._work, name="latentia-umap", daemon=True).start()

    def result(self) -> Float64[Tensor, "N 2"]:
        if self._error is not None:
            raise InputError(f"umap-learn failed ({self._error})", "choose another plane") from self._error
        if self._places is None:
            raise busy("the map of neighbours is being made", status=503, seconds=2)
        return self._places

    def _work(self) -> None:
        """Embed all codes, and scale them to what fits a page."""
        try:
            from umap import UMAP

            neighbours = max(2, min(15, len(self._codes) - 1))
            reducer = UMAP(n_neighbors=neighbours, metric=self._metric, random_state=0, n_jobs=1)
            places = torch.from_numpy(reducer.fit_transform(self._codes)).double()
            places = places - places.mean(dim=0)
            self._places = 4 * places / places.abs().max()
        except Exception as error:  # noqa: BLE001 - of another library, told to who asked
            self._error = error
