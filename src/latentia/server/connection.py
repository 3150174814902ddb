"""A connection whose client must say in time and in short what it wants."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from latentia.server.limits import Limits
from latentia.server.problems import ProblemError, response_of


class Connection(HttpToolsProtocol):
    """Cuts clients whose headers are too long, or whose requests do not arrive in time: the server below lets them.

    Args:
        limits: Of bytes and seconds.
        given: What the server below makes connections with.
    """

    def __init__(self, limits: Limits, **given: Any) -> None:  # noqa: ANN401 - of another library
        """Keep the limits."""
        super().__init__(**given)
        self._limits, self._head, self._in_head = limits, 0, True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers."""
        super().connection_made(transport)
        self._wait_for_head()
        if len(self.connections) > self._limits.connections:
            self._refuse(503, "there are too many connections", "ask again later")

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count bytes until headers are whole."""
        if self._in_head and self._timer is None:
            self._wait_for_head()
        self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > self._limits.header_bytes and not self.transport.is_closing():
            self._refuse(431, "the headers are too long", f"send {self._limits.header_bytes:,} bytes at most")

    def on_headers_complete(self) -> None:
        """Begin to wait for the body; a little longer than who reads it, whose answer is better."""
        self._wait_no_more()
        self._in_head = False
        self._timer = self.loop.call_later(self._limits.read + 1, self.transport.close)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait no longer; what comes next is another request."""
        self._wait_no_more()
        self._head, self._in_head = 0, True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request."""
        self._refuse(400, msg, "send HTTP/1.1")

    def _wait_for_head(self) -> None:
        late = ("the headers did not arrive in time", "send them faster")
        self._timer = self.loop.call_later(self._limits.read, self._refuse, 408, *late)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _refuse(self, status: int, problem: str, remedy: str) -> None:
        """Answer and hang up."""
        response = response_of(ProblemError(status, problem, remedy, {"Connection": "close"}))
        head = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
        self.transport.write(b"HTTP/1.1 %d \r\n%b\r\n%b" % (status, head, bytes(response.body)))
        self.transport.close()
