"""What is asked of a map and answered, as JSON."""

from typing import Annotated

from pydantic import BaseModel, FailFast, Field

from latentia.server.limits import Limits
from latentia.server.map.chart import Chart, Choice, PlaneKind
from latentia.server.map.columns import TITLES, ColumnName
from latentia.server.map.raster import Raster
from latentia.server.requests import STRICT, WHOLE

Number = Annotated[float, Field(ge=-Limits.magnitude, le=Limits.magnitude, allow_inf_nan=False)]
Code = Annotated[list[Number], Field(min_length=1, max_length=Limits.texts), FailFast()]
Codes = Annotated[list[Code], Field(min_length=1, max_length=Limits.texts), FailFast()]
Dimension = Annotated[int, Field(ge=0, le=1_000_000), WHOLE]


class MapHole(BaseModel):
    """A place where the prior has mass and the aggregate posterior next to none."""

    number: int
    x: float
    y: float
    mass: float = Field(description="Of the prior, around there.")
    ratio: float = Field(description="Density of the prior over that of the aggregate.")


class MapDensity(BaseModel):
    """The prior's density on a grid of square cells, row by row upwards, and where the aggregate lacks it."""

    reach: float = Field(description="Half the width of the grid, to the centres of the outermost cells.")
    prior: list[float] = Field(description="Log-density less its largest value.")
    levels: list[float] = Field(description="Of it, around 50, 90 and 99 % of the prior's mass.")
    shade: list[int] = Field(description="How much a cell belongs to a hole, 0 to 255.")
    holes: list[MapHole]


class MapPlane(BaseModel):
    """A kind of plane that may be asked for."""

    kind: PlaneKind
    problem: str = Field(description="Why it cannot be had; empty if it can.")


class MapColumn(BaseModel):
    """What points may be coloured by."""

    name: ColumnName
    title: str


class MapGroup(BaseModel):
    """Texts of one label."""

    label: str
    size: int
    code: list[float] = Field(description="Mean of their codes.")


class MapAnswer(BaseModel):
    """A plane through a space, without its points."""

    count: int = Field(description="Points.")
    title: str
    labels: list[str] = Field(description="Of the two directions.")
    note: str
    on_sphere: bool
    density: MapDensity | None
    planes: list[MapPlane]
    columns: list[MapColumn]
    groups: list[MapGroup]


class TextsAnswer(BaseModel):
    """Some texts of a map."""

    texts: list[str]


class ColumnAnswer(BaseModel):
    """Values of some texts; fewer than were asked for where they take long."""

    values: list[float | None]
    categories: list[str]


class CodeAnswer(BaseModel):
    """The code that is meant by a place."""

    code: list[float]


class PlacesRequest(BaseModel):
    """Codes, and the plane to look for them in."""

    model_config = STRICT
    codes: Codes
    plane: PlaneKind = "principal"
    first: Dimension = 0
    second: Dimension = 1


class PlacesAnswer(BaseModel):
    """Where codes are."""

    places: list[list[float]]


class NearestRequest(BaseModel):
    """A code whose nearest texts are wanted."""

    model_config = STRICT
    code: Code
    n: Annotated[int, Field(ge=1, le=Limits.count), WHOLE] = 10


class NearestText(BaseModel):
    """A text near a code."""

    point: int = Field(description="Its number among the points.")
    text: str
    distance: float


class NearestAnswer(BaseModel):
    """The nearest texts, nearest first."""

    nearest: list[NearestText]


KINDS: tuple[PlaneKind, ...] = ("difference", "principal", "dimensions", "neighbours")


def described(chart: Chart, choice: Choice) -> MapAnswer:
    """Describe a plane and what else may be asked for."""
    view, survey = chart.view(choice), chart.survey
    return MapAnswer(
        count=len(survey.texts),
        title=view.title,
        labels=list(view.labels),
        note=view.note,
        on_sphere=survey.on_sphere,
        density=_density(view.raster) if view.raster else None,
        planes=[MapPlane(kind=kind, problem=chart.unavailable(kind)) for kind in KINDS],
        columns=[MapColumn(name=name, title=TITLES[name]) for name in chart.columns.names],
        groups=[MapGroup(label=label, size=size, code=code.tolist()) for label, size, code in chart.columns.groups()],
    )


def _density(raster: Raster) -> MapDensity:
    holes = [MapHole(number=h.number, x=h.x, y=h.y, mass=h.mass, ratio=h.ratio) for h in raster.holes]
    return MapDensity(
        reach=raster.reach,
        prior=list(raster.prior),
        levels=list(raster.levels),
        shade=list(raster.shade),
        holes=holes,
    )
