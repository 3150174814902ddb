"""The application, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Match
from starlette.staticfiles import StaticFiles

import latentia
from latentia.data import Selection
from latentia.operations import TextSpace
from latentia.server.admission import Admission, Scope
from latentia.server.batching import Worker
from latentia.server.gate import Gate
from latentia.server.keys import Keys
from latentia.server.limits import DEFAULT_LIMITS, Limits
from latentia.server.map import Survey, Surveyor, add_map
from latentia.server.metrics import Metrics
from latentia.server.models import Served, Table
from latentia.server.problems import ProblemError, documented, response_of
from latentia.server.routes import router_of


def create_app(
    spaces: Mapping[str, TextSpace],
    *,
    limits: Limits = DEFAULT_LIMITS,
    keys: Keys | None = None,
    hosts: Sequence[str] = (),
    ui: bool = True,
    shown: Mapping[str, Callable[[], Selection]] = MappingProxyType({}),
) -> Gate:
    """Return the ASGI application that serves some spaces, a thread each.

    Args:
        spaces: By the names that requests know them by.
        limits: How much is taken.
        keys: Of those who may ask; everybody without any.
        hosts: Names that the server goes by; any if there is none.
        ui: Whether the page under ``/ui`` is served.
        shown: Return the texts that the map of a space shows; without it, what it was trained on.
    """
    admission = Admission(limits)
    metrics = Metrics(admission)
    workers = {name: Worker(space, limits, metrics.batches_of(name)) for name, space in spaces.items()}
    table = Table([Served(name, space, workers[name]) for name, space in spaces.items()])
    router = router_of(table, admission, limits)
    surveys = {name: Survey(space, shown.get(name)) for name, space in spaces.items()}
    maps = add_map(router, table, admission, surveys, limits)
    application = FastAPI(
        title="latentia",
        version=latentia.__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(table, admission, maps.values(), prepare=ui),
        exception_handlers={RequestValidationError: _not_valid, HTTPException: _problem},
    )
    application.include_router(router)
    _add_health(application, table, admission, metrics)
    if ui:
        _add_page(application)
    answered = partial(_has_answer, application.routes)
    return Gate(application, admission, keys or Keys([]), limits, hosts, metrics, answered)  # type: ignore[arg-type]


def _has_answer(routes: Sequence[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in routes)


def _lifespan(table: Table, admission: Admission, maps: Collection[Surveyor], *, prepare: bool) -> Any:  # noqa: ANN401 - what FastAPI takes
    workers = [*(served.worker for served in table.values()), *(each.drawer for each in maps)]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        preparations = [asyncio.create_task(each.prepare()) for each in maps if prepare]
        yield
        admission.draining = True
        for preparation in preparations:
            preparation.cancel()
        await asyncio.gather(*(asyncio.to_thread(worker.close) for worker in workers))

    return lifespan


def _add_health(application: FastAPI, table: Table, admission: Admission, metrics: Metrics) -> None:
    async def alive() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    async def ready() -> dict[str, str]:
        """Say whether requests would be answered."""
        if admission.draining or not all(served.worker.alive for served in table.values()):
            raise ProblemError(503, "the server is not ready", "ask again later", {"Retry-After": "1"})
        return {"status": "ok"}

    async def counted() -> Response:
        """Return what was counted, as Prometheus reads it."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    plain: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
    application.add_api_route("/healthz", alive, operation_id="healthz")
    application.add_api_route("/readyz", ready, operation_id="readyz", responses=documented(503))
    application.add_api_route(
        "/metrics", counted, operation_id="metrics", response_class=Response, responses={**plain, **documented(401)}
    )


def _add_page(application: FastAPI) -> None:
    async def page() -> Response:
        return RedirectResponse("/ui/")

    application.add_api_route("/", page, include_in_schema=False)
    folder = str(files("latentia.server").joinpath("ui"))
    application.mount("/ui", StaticFiles(directory=folder, html=True), name="ui")


async def _problem(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return response_of(error)
    raise error


async def _not_valid(_: Request, error: Exception) -> Response:
    """Say what is wrong with a request by its schema."""
    first: Mapping[str, Any] = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    place = ".".join(str(part) for part in first.get("loc", ())[1:]) or "the body"
    return response_of(ProblemError(400, f"{place}: {first.get('msg', 'is not valid')}", "see /openapi.json"))
