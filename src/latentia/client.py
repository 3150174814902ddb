"""A client of ``latentia serve`` that needs nothing but Python: it asks, and asks again when it is told to."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from latentia.errors import InputError, LatentiaError

LATER = (429, 502, 503, 504)
"""Statuses of what may be asked again: an operation changes nothing, and its answer depends on the request alone."""

LONGEST_WAIT = 60.0


class ServerError(LatentiaError):
    """A server refused a request, or did not answer.

    Attributes:
        status: Of the refusal; 0 if there was no answer.
    """

    def __init__(self, message: str, remedy: str, status: int = 0) -> None:
        """Keep the status beside the message."""
        super().__init__(message, remedy)
        self.status = status


class Client:
    """Asks one server.

    Args:
        url: Where it listens, as in ``http://127.0.0.1:8000``.
        key: Sent with each request, if the server wants one.
        retries: How often a request is sent again that was refused for the time being, or got no answer.
        timeout: Seconds without a byte after which there is no answer.
        backoff: Seconds before the first retry where the server names none; each later wait is twice as long.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str = "",
        retries: int = 5,
        timeout: float = 60.0,
        backoff: float = 0.5,
    ) -> None:
        """Keep the settings; nothing is asked yet."""
        self._url, self._retries, self._timeout, self._backoff = url.rstrip("/"), retries, timeout, backoff
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def models(self) -> list[dict[str, Any]]:
        """Describe the models of the server.

        Raises:
            ServerError: If it refuses or does not answer.
        """
        with self._asked("/v1/models") as response:
            found: list[dict[str, Any]] = _json(response.read())["data"]
            return found

    def ask(self, model: str, operation: str, **arguments: object) -> dict[str, Any]:
        """Return what an operation answers: ``answers``, ``refused`` and ``remarks``.

        Args:
            model: Name of a model of the server.
            operation: Name of an operation.
            arguments: Of the operation, as its function has them; a strategy is ``{"kind": NAME, ...}``.

        Raises:
            ServerError: If the server refuses or does not answer.
        """
        with self._asked(_path(model, operation), _named(arguments)) as response:
            found: dict[str, Any] = _json(response.read())
            return found

    def stream(self, model: str, operation: str, **arguments: object) -> Iterator[dict[str, Any]]:
        """Yield what an operation answers, as it comes: objects with ``answer`` or ``refused``, and at last ``end``.

        Raises:
            ServerError: If the server refuses, does not answer, or breaks off before the end.
        """
        with self._asked(_path(model, operation), _named(arguments), "application/x-ndjson") as response:
            for line in response:
                event = _json(line)
                if "problem" in event:
                    raise _refused(event["problem"], event["problem"].get("status", 0))
                yield event
                if "end" in event:
                    return
        raise ServerError("the server broke off", "ask again")

    @contextmanager
    def _asked(
        self, path: str, body: dict[str, object] | None = None, accept: str = "application/json"
    ) -> Iterator[HTTPResponse]:
        headers = {**self._headers, "Accept": accept, "Content-Type": "application/json"}
        data = None if body is None else _written(body)
        with self._answered(Request(self._url + path, data, headers)) as response:
            try:
                yield response
            except (OSError, HTTPException) as error:
                raise ServerError(f"the server broke off ({error})", "ask again") from None

    def _answered(self, request: Request) -> HTTPResponse:
        """Send a request until it is answered, or retries are used up."""
        for attempt in range(self._retries + 1):
            try:
                response: HTTPResponse = urlopen(request, timeout=self._timeout)
                return response
            except HTTPError as error:
                refusal, wait = _refused(_problem(error), error.code), error.headers.get("Retry-After", "")
                if error.code not in LATER:
                    raise refusal from None
            except (URLError, OSError, HTTPException) as error:
                refusal, wait = ServerError(f"{self._url} does not answer ({error})", "is the server running?"), ""
            if attempt < self._retries:
                time.sleep(self._wait(attempt, wait))
        raise refusal

    def _wait(self, attempt: int, told: str) -> float:
        """Seconds until the next attempt; clients that were refused together do not come back together."""
        seconds = float(told) if told.isdigit() else self._backoff * 2**attempt
        return min(LONGEST_WAIT, seconds) * random.uniform(1, 1.25)


def _written(body: dict[str, object]) -> bytes:
    """Return JSON; arrays are written as lists.

    Raises:
        InputError: If something can be no JSON.
    """
    try:
        return json.dumps(body, allow_nan=False, default=lambda value: value.tolist()).encode()
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"the arguments are no JSON ({error})", "give texts, finite numbers and lists") from None


def _path(model: str, operation: str) -> str:
    return f"/v1/models/{quote(model, safe='')}/{quote(operation, safe='')}"


def _named(arguments: dict[str, object]) -> dict[str, object]:
    return {name.rstrip("_"): value for name, value in arguments.items()}


def _problem(error: HTTPError) -> Any:  # noqa: ANN401 - any JSON
    try:
        return _json(error.read())
    except (OSError, HTTPException, ServerError):
        return {}


def _refused(problem: Any, status: int) -> ServerError:  # noqa: ANN401 - any JSON
    told = problem if isinstance(problem, dict) else {}
    return ServerError(str(told.get("detail", f"status {status}")), str(told.get("remedy", "see the server")), status)


def _json(content: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise ServerError("the server answers no JSON", "is it latentia that listens there?") from None
