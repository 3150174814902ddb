"""One route for each operation, made from its signature, and those that other tools expect."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import from_json

from latentia import operations
from latentia.errors import LatentiaError
from latentia.server.admission import Admission
from latentia.server.answers import lines, response_of, whole
from latentia.server.batching import Ticket
from latentia.server.calls import Call, call_of
from latentia.server.embeddings import EmbeddingRequest, EmbeddingResponse, call_of_embeddings, embeddings
from latentia.server.limits import Limits
from latentia.server.models import Served, Table
from latentia.server.problems import ProblemError, documented, unanswerable
from latentia.server.requests import request_of

NDJSON = "application/x-ndjson"

KEYS = 5000
"""Most keys of a body: a little more than twice the texts of a list."""

CLIENT_LEFT = 499
"""Status of an answer that nobody waits for any more, in the counts alone."""

REFUSALS = documented(400, 401, 404, 406, 408, 413, 415, 422, 429, 503)


def operations_of() -> dict[str, Callable[..., Any]]:
    """Return all operations by name."""
    found = {name: getattr(operations, name) for name in operations.__all__}
    return {name: each for name, each in found.items() if _is_operation(each)}


def _is_operation(each: object) -> bool:
    return inspect.isfunction(each) and next(iter(inspect.signature(each).parameters)) == "space"


class _Parsed(Request):
    """A request whose body is parsed by pydantic, which bounds its depth and takes no lone surrogates."""

    async def json(self) -> Any:  # noqa: ANN401 - any JSON
        body = await self.body()
        try:
            content = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise ProblemError(400, f"the body is no JSON: {error}", "send a JSON object") from None
        # Each key has a colon behind it, so that a walk through a list of a million members is seldom needed.
        if body.count(b":") > KEYS and _keys(content) > KEYS:
            raise ProblemError(400, f"the body has more than {KEYS:,} keys", "see /openapi.json")
        return content


def _keys(content: Any) -> int:  # noqa: ANN401 - any JSON
    """Count the keys of all objects: each that is unknown costs a complaint, and they come in no time."""
    if isinstance(content, dict):
        return len(content) + sum(_keys(each) for each in content.values() if isinstance(each, dict | list))
    if isinstance(content, list):
        return sum(_keys(each) for each in content if isinstance(each, dict | list))
    return 0


class _Route(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def parsed(request: Request) -> Response:
            return await handle(_Parsed(request.scope, request.receive))

        return parsed


def router_of(table: Table, admission: Admission, limits: Limits) -> APIRouter:
    """Return the routes of the API."""
    router = APIRouter(prefix="/v1", route_class=_Route)
    router.add_api_route("/models", _models_of(table), operation_id="models", responses=documented(401))
    shared = _Shared(table, admission, Annotated[str, Path(json_schema_extra={"enum": list(table)})])
    for name, operation in operations_of().items():
        router.add_api_route(
            f"/models/{{model}}/{name}",
            shared.endpoint(name, request_of(name, operation, limits)),
            methods=["POST"],
            operation_id=name,
            summary=(inspect.getdoc(operation) or "").partition("\n")[0],
            response_class=Response,
            responses={200: _answered(response_of(name, operation)), **REFUSALS},
        )
    router.add_api_route(
        "/embeddings",
        shared.embeddings(limits),
        methods=["POST"],
        operation_id="embeddings",
        summary="Turn texts into vectors, as clients of OpenAI ask for them.",
        response_class=Response,
        responses={200: {"model": EmbeddingResponse, "description": "Vectors."}, **REFUSALS},
    )
    return router


def _answered(model: type[BaseModel]) -> dict[str, Any]:
    schema = {"type": "string", "description": "A JSON object a line: answer, refused, and at last end or problem."}
    return {"model": model, "description": "All answers.", "content": {NDJSON: {"schema": schema}}}


def _models_of(table: Table) -> Callable[[], Awaitable[dict[str, object]]]:
    async def models() -> dict[str, object]:
        """List the models."""
        return {"object": "list", "data": [each.describe() for each in table.values()]}

    return models


class _Shared:
    """What all routes need."""

    def __init__(self, table: Table, admission: Admission, name: Any) -> None:  # noqa: ANN401 - an annotation
        self._table, self._admission, self._name = table, admission, name

    def endpoint(self, operation: str, schema: type[BaseModel]) -> Callable[..., Awaitable[Response]]:
        async def answer(request: Request, model: str, body: BaseModel) -> Response:
            served = self._table.named(model)
            ticket = self._submitted(request, served, _understood(operation, body))
            if NDJSON in request.headers.get("accept", ""):
                return StreamingResponse(lines(ticket.events()), media_type=NDJSON)
            return await _while_connected(request, _whole(ticket))

        answer.__annotations__ = {"request": Request, "model": self._name, "body": schema, "return": Response}
        return answer

    def embeddings(self, limits: Limits) -> Callable[..., Awaitable[Response]]:
        async def answer(request: Request, body: EmbeddingRequest) -> Response:
            served = self._table.named(body.model)
            call = call_of_embeddings(body, served.space, limits)
            ticket = self._submitted(request, served, call)
            return await _while_connected(request, embeddings(body, served.space, ticket.events()))

        answer.__annotations__ = {"request": Request, "body": EmbeddingRequest, "return": Response}
        return answer

    def _submitted(self, request: Request, served: Served, call: Call) -> Ticket:
        """Let a call wait, if it costs no more than there is room for."""
        self._admission.charge(request.scope, call.cost)
        return served.worker.submit(call)


def _understood(operation: str, body: BaseModel) -> Call:
    try:
        return call_of(operation, body)
    except LatentiaError as error:
        raise unanswerable(error) from None


async def _whole(ticket: Ticket) -> Response:
    return Response(await whole(ticket.events()), media_type="application/json")


async def _while_connected(request: Request, response: Coroutine[Any, Any, Response]) -> Response:
    """Await a response, and give it up when the client leaves."""
    answer, gone = asyncio.ensure_future(response), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else Response(status_code=CLIENT_LEFT)
    finally:
        answer.cancel()
        gone.cancel()
