"""Routes of a map: what it shows, its points, texts and colours, and the way between places and codes."""

import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.exceptions import HTTPException

from latentia.operations import TextSpace
from latentia.server.admission import Admission
from latentia.server.batching import End, Worker
from latentia.server.limits import Limits
from latentia.server.map.answers import (
    CodeAnswer,
    ColumnAnswer,
    Dimension,
    MapAnswer,
    NearestAnswer,
    NearestRequest,
    NearestText,
    Number,
    PlacesAnswer,
    PlacesRequest,
    TextsAnswer,
    described,
)
from latentia.server.map.chart import Chart, Choice, PlaneKind
from latentia.server.map.columns import ColumnName
from latentia.server.map.survey import POINTS, Survey
from latentia.server.models import Served, Table
from latentia.server.problems import ProblemError, busy, documented

FIRST: Choice = ("principal", 0, 1)

PATIENCE = 1.0
"""Seconds after which a client is told how far the reading of texts has come."""

REFUSALS = documented(400, 401, 404, 406, 408, 413, 415, 422, 429, 503)

POINTS_OF = {200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


@dataclass(frozen=True)
class Work:
    """Something that a thread does between requests; it stands in the queue as a call does."""

    function: Callable[[], Any]
    patient: bool = False
    operation: str = "map"
    key: str = ""
    members: Sequence[None] = (None,)

    def answers(self, _: TextSpace) -> Iterator[Any]:
        """Do it; a refusal is what the ticket raises."""
        try:
            yield self.function()
        except ProblemError as refusal:
            yield refusal


class Surveyor:
    """A model with its map: the model's thread reads texts, and one of its own, which no request waits behind, draws.

    Args:
        served: The model.
        survey: Of its texts.
        limits: How long anything is waited for.
    """

    def __init__(self, served: Served, survey: Survey, limits: Limits) -> None:
        """Start to wait for what is to be drawn."""
        self._reader, self.drawer = served.worker, Worker(served.space, limits)
        self.chart = Chart(survey)

    async def ready(self, seconds: float = PATIENCE, *, patient: bool = False) -> None:
        """Read texts, a piece at a time.

        Raises:
            ProblemError: If they are not all read in time, or there is no map.
        """
        until, survey = time.monotonic() + seconds, self.chart.survey
        while not survey.complete:
            await _done(self._reader, Work(survey.advance, patient))
            if time.monotonic() > until and not survey.complete:
                raise busy(f"{survey.read:,} of {len(survey.texts):,} texts are read", status=503)

    async def prepare(self) -> None:
        """Read all texts when nobody asks, and draw the plane that is shown first; who asks is told what is wrong."""
        with suppress(HTTPException):
            await self.ready(math.inf, patient=True)
            await self.drawn(lambda chart: chart.view(FIRST))

    async def drawn(self, function: Callable[[Chart], Any]) -> Any:  # noqa: ANN401 - of any function
        """Return what a function makes of the map, for which it needs no model."""
        await self.ready()
        return await _done(self.drawer, Work(lambda: function(self.chart)))

    async def computed(self, function: Callable[[Chart], Any]) -> Any:  # noqa: ANN401 - of any function
        """Return what a function makes of the map and the model."""
        await self.ready()
        return await _done(self._reader, Work(lambda: function(self.chart)))


async def _done(worker: Worker, work: Work) -> Any:  # noqa: ANN401 - of any function
    """Return what comes of some work in the thread of a worker."""
    ticket, found = worker.submit(work), None
    async for event in ticket.events():
        found = found if isinstance(event, End) else event
    return found


def _choice(plane: PlaneKind = "principal", first: Dimension = 0, second: Dimension = 1) -> Choice:
    return plane, first, second


Chosen = Annotated[Choice, Depends(_choice)]
Start = Annotated[int, Query(ge=0, le=POINTS)]
Count = Annotated[int, Query(ge=1, le=POINTS)]


def add_map(
    router: APIRouter, table: Table, admission: Admission, surveys: Mapping[str, Survey], limits: Limits
) -> dict[str, Surveyor]:
    """Add the routes of maps to those of the API; return what they ask."""
    found = {name: Surveyor(served, surveys[name], limits) for name, served in table.items()}
    admitted = _admitted(admission, _named(table, found))
    for path, method, function, summary, extra in _routes(Annotated[Surveyor, Depends(admitted)]):
        name = path.strip("/").replace("/", "_")
        router.add_api_route(
            f"/models/{{model}}{path}",
            function,
            methods=[method],
            operation_id=name,
            summary=summary,
            responses={**extra, **REFUSALS},
        )
    return found


def _named(table: Table, found: Mapping[str, Surveyor]) -> Callable[..., Surveyor]:
    def named(model: str) -> Surveyor:
        return found[table.named(model).name]

    named.__annotations__["model"] = Annotated[str, Path(json_schema_extra={"enum": list(table)})]
    return named


def _admitted(admission: Admission, named: Callable[..., Surveyor]) -> Callable[..., Any]:
    async def admitted(request: Request, surveyor: Surveyor) -> Any:  # noqa: ANN401 - an asynchronous generator
        with _place(request, admission):
            yield surveyor

    admitted.__annotations__["surveyor"] = Annotated[Surveyor, Depends(named)]
    return admitted


@contextmanager
def _place(request: Request, admission: Admission) -> Iterator[None]:
    """Give a request a place in the house; what is posted has one already."""
    if request.method == "POST":
        yield
        return
    with admission.place(request.scope):
        yield


Route = tuple[str, str, Callable[..., Awaitable[Any]], str, dict[Any, Any]]


def _routes(asked: Any) -> list[Route]:  # noqa: ANN401 - an annotation
    return [*_pictures(asked), *_ways(asked)]


def _pictures(asked: Any) -> list[Route]:  # noqa: ANN401 - an annotation
    async def picture(surveyor: asked, choice: Chosen) -> MapAnswer:
        found: MapAnswer = await surveyor.drawn(lambda chart: described(chart, choice))
        return found

    async def points(surveyor: asked, choice: Chosen) -> Response:
        places = await surveyor.drawn(lambda chart: chart.places(choice))
        return Response(places.numpy().astype("<f4").tobytes(), media_type="application/octet-stream")

    async def texts(surveyor: asked, start: Start = 0, count: Count = 1000) -> TextsAnswer:
        found = await surveyor.drawn(lambda chart: chart.survey.texts_from(start, count))
        return TextsAnswer(texts=found)

    async def column(surveyor: asked, name: ColumnName, start: Start = 0, count: Count = POINTS) -> ColumnAnswer:
        found = await surveyor.computed(lambda chart: chart.columns.part(name, start, count))
        return ColumnAnswer(values=list(found.values), categories=list(found.categories))

    return [
        (
            "/map",
            "GET",
            picture,
            "Describe a plane through the space: densities, holes, and what may be asked for.",
            {},
        ),
        (
            "/map/points",
            "GET",
            points,
            "Return the points of a plane: x and y of each, float32, little-endian.",
            POINTS_OF,
        ),
        ("/map/texts", "GET", texts, "Return texts of the points, in their order.", {}),
        ("/map/column", "GET", column, "Return what points are coloured by.", {}),
    ]


def _ways(asked: Any) -> list[Route]:  # noqa: ANN401 - an annotation
    async def code(surveyor: asked, choice: Chosen, x: Number, y: Number) -> CodeAnswer:
        place = torch.tensor([[x, y]], dtype=torch.float64)
        found = await surveyor.drawn(lambda chart: chart.view(choice).codes(place))
        return CodeAnswer(code=found[0].tolist())

    async def places(surveyor: asked, body: PlacesRequest) -> PlacesAnswer:
        choice = (body.plane, body.first, body.second)
        found = await surveyor.drawn(lambda chart: chart.view(choice).places(_valid(chart, body.codes)))
        return PlacesAnswer(places=found.tolist())

    async def nearest(surveyor: asked, body: NearestRequest) -> NearestAnswer:
        found: NearestAnswer = await surveyor.drawn(lambda chart: _nearest(chart, body))
        return found

    return [
        ("/map/code", "GET", code, "Return the code that is meant by a place of a plane.", {}),
        ("/map/places", "POST", places, "Return where codes are in a plane.", {}),
        ("/map/nearest", "POST", nearest, "Return the texts of the map whose codes are nearest to one.", {}),
    ]


def _valid(chart: Chart, codes: list[list[float]]) -> torch.Tensor:
    return chart.survey.space.supported(chart.survey.space.valid_codes(codes))


def _nearest(chart: Chart, body: NearestRequest) -> NearestAnswer:
    (pairs,) = chart.nearest(_valid(chart, [body.code]), body.n)
    texts = [chart.survey.texts_from(point, 1)[0] for point, _ in pairs]
    found = zip(pairs, texts, strict=True)
    return NearestAnswer(nearest=[NearestText(point=point, text=text, distance=away) for (point, away), text in found])
