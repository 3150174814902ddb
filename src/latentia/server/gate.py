"""What every request passes before anything looks at its body: who asks, for how much, and whether there is room."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import Response

from latentia.server.admission import TOO_MANY, Admission, Scope
from latentia.server.keys import Keys
from latentia.server.limits import Limits
from latentia.server.metrics import Metrics
from latentia.server.problems import ProblemError, busy, response_of, too_long_headers

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/healthz", "/readyz", "/ui")
"""What needs no key: the page asks for it."""

TAKEN = ("/v1/models/", "/v1/embeddings")
TAKEN_BYTES = tuple(each.encode() for each in TAKEN)
"""Where bodies are taken."""

ALWAYS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"), (b"x-frame-options", b"DENY")]

POLICY = (
    b"content-security-policy",
    b"; ".join(
        [
            b"default-src 'none'",
            *(kind + b"-src 'self'" for kind in (b"script", b"style", b"connect")),
            b"img-src 'self' data: blob:",
            *(kind + b" 'none'" for kind in (b"base-uri", b"form-action", b"frame-ancestors")),
        ]
    ),
)


class Gate:
    """An ASGI application that admits requests to another.

    Attributes:
        admission: Knows what has not been answered.
        limits: Of bodies, and of the time that they take.

    Args:
        application: The other.
        admission: Counts what is admitted.
        keys: Of those who may ask.
        limits: Of bodies, and of the time that they take.
        hosts: Names that the server goes by; any if there is none.
        metrics: Counts requests.
        answered: Whether the other has an answer to a request of this method at this address.
    """

    def __init__(
        self,
        application: Application,
        admission: Admission,
        keys: Keys,
        limits: Limits,
        hosts: Sequence[str],
        metrics: Metrics,
        answered: Callable[[Scope], bool],
    ) -> None:
        """Keep the parts."""
        self._application, self.admission, self._keys = application, admission, keys
        self.limits, self._hosts, self._metrics = limits, frozenset(map(str.lower, hosts)), metrics
        self._answered = answered
        self._too_many = response_of(busy(TOO_MANY))
        self._too_many.raw_headers += ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a request or refuse it."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        answer = _Answer(scope, send, self.limits, self._metrics, last=self.admission.draining)
        try:
            headers = self._checked(scope)
            if scope["method"] == "POST" and scope["path"].startswith(TAKEN):
                await self._posted(scope, headers, receive, answer)
            else:
                await self._application(scope, receive, answer)
        except ProblemError as error:
            if answer.begun:
                raise
            await response_of(error)(scope, receive, answer)  # type: ignore[arg-type]

    def refusal(self, method: bytes, path: bytes) -> Response | None:
        """Return the answer to a request for which there is no place, if so: it need not go through the house."""
        if self.admission.draining or not self.admission.full or method != b"POST" or not path.startswith(TAKEN_BYTES):
            return None
        self._metrics.answered({}, self._too_many.status_code, 0.0)
        return self._too_many

    async def _posted(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, answer: _Answer) -> None:
        """Give a request a place until it is answered.

        Raises:
            ProblemError: If there is none, or its body cannot be taken.
        """
        with self.admission.place(scope):
            if self._answered(scope):
                _require_json(headers, self.limits)
            body = _Body(receive, self.limits)
            await self._application(scope, body, answer)

    def _checked(self, scope: Scope) -> dict[bytes, bytes]:
        """Return the headers of a request.

        Raises:
            ProblemError: If it is too long, for another host, or has no valid key.
        """
        given = scope["headers"]
        if sum(len(name) + len(value) for name, value in given) + len(scope["raw_path"]) > self.limits.header_bytes:
            raise too_long_headers(self.limits)
        headers = dict(given)
        if self._hosts and _name(headers.get(b"host", b"")) not in self._hosts:
            raise ProblemError(421, "this server does not go by that name", "ask it by the name it was started with")
        if not scope["path"].startswith(OPEN):
            self._keys.require(headers.get(b"authorization", b""))
        return headers


def _name(host: bytes) -> str:
    """Return the name in a header ``Host``, for which letters are large or small alike."""
    given = host.decode("latin-1").lower()
    name, colon, port = given.rpartition(":")
    return name if colon and port.isdigit() else given


def _require_json(headers: dict[bytes, bytes], limits: Limits) -> None:
    """Refuse a body that is not plain JSON, or too long.

    Raises:
        ProblemError: If it is either.
    """
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise ProblemError(415, "the body is no application/json", "send JSON, and say so in Content-Type")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise ProblemError(415, "the body is encoded", "send it without Content-Encoding")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 18 or int(length) > limits.body_bytes:
        raise _too_long(limits)


def _too_long(limits: Limits) -> ProblemError:
    problem = f"the body is longer than {limits.body_bytes:,} bytes"
    return ProblemError(413, problem, "ask for less at a time")


class _Body:
    """A body that is read no further and no longer than it may be."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive, self._limits = receive, limits
        self._until, self._read, self._whole = time.monotonic() + limits.read, 0, False

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._until - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            problem = "the body did not arrive in time"
            raise ProblemError(408, problem, "send it faster", {"Connection": "close"}) from None
        self._read += len(message.get("body", b""))
        self._whole = message["type"] == "http.disconnect" or not message.get("more_body")
        if self._read > self._limits.body_bytes:
            raise _too_long(self._limits)
        return message


class _Answer:
    """What is sent, with the headers that every answer has, to a client that must take it in time."""

    def __init__(self, scope: Scope, send: Send, limits: Limits, metrics: Metrics, *, last: bool) -> None:
        self._last = [(b"connection", b"close")] if last else []
        self._scope, self._send, self._limits, self._metrics = scope, send, limits, metrics
        self._began, self.begun = time.monotonic(), False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            own = [*ALWAYS, *self._last, *([POLICY] if self._scope["path"].startswith("/ui") else [])]
            message = {**message, "headers": [*message.get("headers", ()), *own]}
            self._metrics.answered(self._scope, message["status"], time.monotonic() - self._began)
        async with asyncio.timeout(self._limits.write):
            await self._send(message)
