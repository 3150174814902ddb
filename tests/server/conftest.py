"""A server of a small space, asked without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx
import pytest

from latentia.operations import TextSpace
from latentia.server import Limits, create_app
from tests.laws.tables import TEXTS
from tests.operations.labelled import labelled_space

JSON = {"content-type": "application/json"}

REQUESTS: dict[str, dict[str, Any]] = {
    "sample": {"n": 3, "strategy": {"kind": "Ancestral", "top_k": 3}},
    "reconstruct": {"texts": [*TEXTS[:2], "purple"], "strategy": {"kind": "Beam", "width": 2}},
    "interpolate": {"a": TEXTS[0], "b": TEXTS[1], "steps": 3, "strategy": {"kind": "Greedy"}},
    "traverse": {"text": TEXTS[0], "dimension": 1, "steps": 3, "strategy": {"kind": "Greedy"}},
    "analogy": {"a": TEXTS[0], "b": TEXTS[1], "c": TEXTS[2], "strategy": {"kind": "Greedy"}},
    "augment": {"data": [{"text": text, "label": text.split()[1]} for text in TEXTS], "threshold": 0.0},
    "decode": {"codes": [[0.0, 1.0, -1.0], [1, 0, 0]], "strategy": {"kind": "Greedy"}},
    "encode": {"data": [*TEXTS[:2], "purple"]},
    "neighbours": {"text": TEXTS[0], "n": 2},
    "cluster": {"data": TEXTS, "k": 2, "strategy": {"kind": "Greedy"}},
    "outliers": {"data": TEXTS[:4], "n": 2, "samples": 2},
    "score": {"data": TEXTS[:2], "samples": 3},
    "edit": {"texts": TEXTS[:2], "attribute": "cat", "strategy": {"kind": "Greedy"}},
    "impute": {"texts": [f"{TEXTS[0]} ___"], "sweeps": 1},
}
"""A request of each operation."""

PATIENT = Limits(deadline=600, read=600, write=600)
"""Of a server on a machine that has much else to do."""

Asked = Callable[..., httpx.Response]


def gathered(application: Any, asks: Sequence[Callable[[httpx.AsyncClient], Awaitable[Any]]]) -> list[Any]:
    """Ask several things at once."""

    async def all_of_them() -> list[Any]:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await asyncio.gather(*(ask(client) for ask in asks))

    return asyncio.run(all_of_them())


def asker(application: Any) -> Asked:
    """What asks an application one thing."""

    def ask(method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
        given = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        sent = {**(JSON if isinstance(body, bytes) else {}), **(headers or {})}
        (response,) = gathered(application, [lambda client: client.request(method, path, headers=sent, **given)])
        return response

    return ask


@pytest.fixture(scope="module")
def space() -> TextSpace:
    return labelled_space()


@pytest.fixture(scope="module")
def application(space) -> Any:
    return create_app({"tiny": space}, limits=PATIENT)


@pytest.fixture
def ask(application) -> Iterator[Asked]:
    return asker(application)
