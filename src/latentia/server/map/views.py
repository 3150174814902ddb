"""Ways to lay a space out in a plane: where codes are, and which code is meant by a place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import normalize

from latentia.functional.nearest import nearest
from latentia.reports.planes import Frame, Named
from latentia.server.map.raster import Raster, of_picture, of_sphere
from latentia.server.map.survey import Survey

PICTURED = 4000
"""Posteriors that stand for all in the density of the aggregate."""

NEAREST = 8
"""Texts that tell where a code is in a map of neighbours."""


class View(ABC):
    """A plane with the texts of a survey in it.

    Attributes:
        title: How it was chosen.
        labels: Of its directions, to the right and upwards.
        note: What must be known to read it.
        raster: Densities; none where they are not known.
    """

    title: str
    labels: tuple[str, str]
    note: str
    raster: Raster | None

    @abstractmethod
    def places(self, codes: Float[Tensor, "P D"]) -> Float64[Tensor, "P 2"]:
        """Return where codes are."""

    @abstractmethod
    def codes(self, places: Float64[Tensor, "P 2"]) -> Float64[Tensor, "P D"]:
        """Return the codes that are meant by places."""


class Flat(View):
    """A plane through Gaussian codes, of which both densities are exact.

    Args:
        frame: Of the posteriors and the prior.
        named: The plane.
    """

    note = (
        "A place means the expected code of the prior there: outside of the plane nothing but the prior is known. The "
        "shade is where the aggregate posterior has less density than the prior."
    )

    def __init__(self, frame: Frame, named: Named) -> None:
        """Evaluate the densities."""
        self._frame, self._directions = frame, named.directions
        self.title, self.labels = named.title, named.labels
        shown = frame.show(named)
        self.raster = of_picture(shown.picture, shown.holes)

    def places(self, codes: Float[Tensor, "P D"]) -> Float64[Tensor, "P 2"]:
        """Project, in standard deviations of the prior from its mean."""
        return self._frame.places(codes, self._directions)

    def codes(self, places: Float64[Tensor, "P 2"]) -> Float64[Tensor, "P D"]:
        """Take the expected code of the prior."""
        return self._frame.codes(places, self._directions)


class Round(View):
    """A plane through directions on a sphere.

    Args:
        codes: Of the texts.
        named: The plane.
    """

    note = (
        "Codes are directions on a sphere, seen from outside. A place means the direction there whose remainder points "
        "where the texts do. Lines are of the even prior; holes are not known."
    )

    def __init__(self, codes: Float[Tensor, "N D"], named: Named) -> None:
        """Take the mean direction of what the plane does not show."""
        self._directions = named.directions
        self.title, self.labels = named.title, named.labels
        self.raster = of_sphere(codes.shape[1])
        mean = codes.double().mean(dim=0)
        self._rest = normalize(mean - self._directions @ (self._directions.T @ mean), dim=0)

    def places(self, codes: Float[Tensor, "P D"]) -> Float64[Tensor, "P 2"]:
        """Project."""
        return codes.double() @ self._directions

    def codes(self, places: Float64[Tensor, "P 2"]) -> Float64[Tensor, "P D"]:
        """Add the remainder that makes a direction."""
        left = (1 - places.square().sum(dim=1, keepdim=True)).clamp(min=0).sqrt()
        return normalize(places @ self._directions.T + left * self._rest, dim=1)


class Neighbourly(View):
    """A map that keeps neighbours together and has no directions.

    Args:
        codes: Of the texts.
        places: Of the texts in the map.
        on_sphere: Whether codes are directions.
    """

    title = "neighbours stay together (UMAP)"
    labels = ("no unit", "no unit")
    note = (
        f"Distances mean little here, and there are no densities. A place means the mean of the codes of the {NEAREST} "
        "nearest texts, weighted by the inverse square of their distance."
    )
    raster = None

    def __init__(self, codes: Float[Tensor, "N D"], places: Float64[Tensor, "N 2"], on_sphere: bool) -> None:
        """Keep both."""
        self._codes, self._places, self._on_sphere = codes.double(), places, on_sphere

    def places(self, codes: Float[Tensor, "P D"]) -> Float64[Tensor, "P 2"]:
        """Average the places of the texts of nearest codes; codes of the texts themselves are where these are."""
        return _averaged(codes.double(), self._codes, self._places)

    def codes(self, places: Float64[Tensor, "P 2"]) -> Float64[Tensor, "P D"]:
        """Average the codes of the nearest texts."""
        codes = _averaged(places, self._places, self._codes)
        return normalize(codes, dim=1) if self._on_sphere else codes


def _averaged(
    queries: Float64[Tensor, "P A"], keys: Float64[Tensor, "N A"], values: Float64[Tensor, "N B"]
) -> Float64[Tensor, "P B"]:
    found = nearest(queries, keys, NEAREST)
    distances = found.distances.double()
    weights = (distances + 1e-6 * distances.mean() + 1e-12) ** -2
    weights = weights / weights.sum(dim=1, keepdim=True)
    return torch.einsum("pn,pnb->pb", weights, values[found.rows])


@dataclass(frozen=True)
class Layout:
    """The planes of a survey that need no search.

    Attributes:
        survey: Whose texts are laid out.
    """

    survey: Survey

    @cached_property
    def _frame(self) -> Frame:
        posteriors = self.survey.posteriors.at(slice(0, PICTURED))
        return Frame.of(posteriors, self.survey.space.model.unit_prior())

    def difference(self) -> View:
        """Where aggregate and prior differ most; of two dimensions there is one plane."""
        if self.survey.on_sphere or self.survey.space.model.latent_dim == 2:
            return self.principal()
        return Flat(self._frame, self._frame.most_different())

    def principal(self) -> View:
        """Where codes vary most."""
        return self._round(self._axes()) if self.survey.on_sphere else Flat(self._frame, self._frame.principal())

    def dimensions(self, first: int, second: int) -> View:
        """Two dimensions of the code."""
        if not self.survey.on_sphere:
            return Flat(self._frame, self._frame.dimensions(first, second))
        unit = torch.eye(self.survey.space.model.latent_dim, dtype=torch.float64)[:, [first, second]]
        labels = f"dimension {first + 1}", f"dimension {second + 1}"
        return self._round(Named("two dimensions of the code", labels, unit))

    def _round(self, named: Named) -> View:
        return Round(self.survey.codes, named)

    def _axes(self) -> Named:
        codes = self.survey.codes.double()
        directions = torch.linalg.eigh((codes - codes.mean(dim=0)).T.cov(correction=0)).eigenvectors.flip(1)[:, :2]
        return Named("where directions vary most", ("first principal direction", "second"), directions)
