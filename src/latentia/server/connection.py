"""A connection whose client must say in time and in short what it wants, and is told at once that there is no room."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, Literal

from fastapi import Response
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from latentia.server.gate import Gate
from latentia.server.problems import ProblemError, busy, response_of, too_long_headers

CLOSE = (b"connection", b"close")

PIPELINED = 100
"""Most requests of one client that wait for an answer to an earlier one."""

Phase = Literal["head", "body", "next"]
"""What is to come: headers, the rest of a request, or another request."""

Awaited = Literal[Phase, "reading", "answer"]
"""A phase, or that the client takes what is written, or, of the server, an answer."""


class Connection(HttpToolsProtocol):
    """Cuts clients whose headers are too long, or whose requests do not arrive in time: the server below lets them.

    What there is no room for is refused here. Under overload most requests are, and a task of its own for each, which
    takes its turns with the thread that computes, would cost a tenth of what is computed.

    Args:
        gate: Knows the limits, and whether there is room.
        given: What the server below makes connections with.
    """

    def __init__(self, gate: Gate, **given: Any) -> None:  # noqa: ANN401 - of another library
        """Keep the gate."""
        super().__init__(**given)
        self._gate, self._limits = gate, gate.limits
        self._loose, self._refused = 0, False
        self._phase: Phase = "head"
        self._watched: Awaited | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers."""
        super().connection_made(transport)
        # The loop does so for sockets that name their protocol alone; without it an answer in two writes waits 40 ms
        # for the client to acknowledge the first.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.flow = _Flow(transport)
        if len(self.connections) > self._limits.connections:
            self._refuse(busy("there are too many connections", status=503))
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._watch_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count bytes that belong to no body yet: of headers, of lengths of chunks, and of what may follow the last."""
        self._loose += len(data)
        super().data_received(data)
        self._bound_headers()
        self._watch()

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Wait no longer for it."""
        super().resume_writing()
        self._watch()

    def on_message_begin(self) -> None:
        """Begin to wait for headers."""
        self._enter("head")
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to wait for the body, if the headers can be read."""
        self._loose = 0
        if self._piles_up():
            self.transport.close()
        if self.transport.is_closing():
            self._refused = True
        else:
            self._begin_answer()
        self._enter("body")

    def on_body(self, body: bytes) -> None:
        """Leave what is refused unread."""
        self._loose = 0
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin to wait for another request."""
        self._enter("next")
        self._loose = 0
        if self._refused:
            self._end_refused()
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Let no timer but the own one run: the one of the server below is stopped by any byte."""
        super().on_response_complete()
        self._unset_keepalive_if_required()
        self._bound_headers()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request."""
        self._refuse(ProblemError(400, msg, "send HTTP/1.1"))

    def _bound_headers(self) -> None:
        """Refuse headers that are too long, or read no more of them until what came before is answered."""
        if self._loose > self._limits.header_bytes and not self.transport.is_closing():
            if self._awaited() == "answer":
                self.flow.pause_reading()
            else:
                self._refuse(too_long_headers(self._limits))

    def _enter(self, phase: Phase) -> None:
        """Forget how long the client has been waited for."""
        self._phase, self._watched = phase, None

    def _awaited(self) -> Awaited:
        """Tell what is waited for; a client that waits itself is given all the time."""
        if self.flow.write_paused or self.transport.is_closing():
            return "reading"
        if self._phase == "body":
            return "answer" if self.pipeline or self.flow.read_paused else "body"
        return self._phase if self.cycle is None or self.cycle.response_complete else "answer"

    def _watch(self) -> None:
        """Begin to wait from the moment when something else is awaited."""
        awaited = self._awaited()
        if awaited != self._watched:
            self._watch_no_more()
            self._watched = awaited
            self._timer = self.loop.call_later(self._patience(awaited), self._waited)

    def _watch_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._watched = None

    def _patience(self, awaited: Awaited) -> float:
        """Seconds; for a body a little more than who reads it has, whose answer is better."""
        if awaited == "next":
            return self.timeout_keep_alive
        return {"head": self._limits.read, "body": self._limits.read + 1}.get(awaited, self._limits.write)

    def _waited(self) -> None:
        """Hang up, unless the server below has closed the connection meanwhile: then what is written is to be taken."""
        awaited, self._watched = self._watched, None
        if awaited == self._awaited():
            self._give_up(awaited)
        self._watch()

    def _give_up(self, awaited: Awaited) -> None:
        if awaited == "head":
            self._refuse(ProblemError(408, "the headers did not arrive in time", "send them faster"))
        elif awaited == "reading":
            self.transport.abort()
        elif awaited != "answer":
            self.transport.close()

    def _begin_answer(self) -> None:
        """Refuse what there is no room for, and give the rest to the server below."""
        waits = self.cycle is not None and not self.cycle.response_complete
        refusal = None if waits else self._gate.refusal(self.parser.get_method(), self.url)
        self._refused = refusal is not None
        if refusal is None:
            super().on_headers_complete()
        else:
            self._answer_at_once(refusal)

    def _piles_up(self) -> bool:
        """Tell whether a client asks and asks and takes no answers: a segment holds thousands of requests."""
        return self.flow.write_paused or len(self.pipeline) >= PIPELINED

    def _answer_at_once(self, response: Response) -> None:
        """Answer before the body is there."""
        self.transport.write(_written(response, [] if self._is_kept() else [CLOSE]))

    def _end_refused(self) -> None:
        """Keep the connection if the client wants to; to hang up on a body would lose the answer on its way."""
        if not self._is_kept():
            self.transport.close()

    def _is_kept(self) -> bool:
        """Tell whether another request may come; the server below closes all connections of HTTP/1.0."""
        kept: bool = self.parser.should_keep_alive()
        return kept and self.parser.get_http_version() != "1.0"

    def _refuse(self, problem: ProblemError) -> None:
        """Answer, unless an answer is on its way or was given, and hang up."""
        if self._unanswered():
            self.transport.write(_written(response_of(problem), [CLOSE]))
        self.transport.close()

    def _unanswered(self) -> bool:
        """Tell whether the next answer on the line would be that to what is being sent."""
        if self._phase == "body":
            return not (self._refused or self.pipeline or self.cycle is None or self.cycle.response_started)
        return self.cycle is None or self.cycle.response_complete


class _Flow(FlowControl):
    """Reads nothing of a client that does not read: each of its requests would be one more answer to keep."""

    def resume_reading(self) -> None:
        self.read_paused = False
        if not self.write_paused:
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused:
            self._transport.resume_reading()


def _written(response: Response, also: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the bytes of an answer with more headers than it has."""
    head = b"".join(name + b": " + value + b"\r\n" for name, value in (*response.raw_headers, *also))
    return b"HTTP/1.1 %d \r\n%b\r\n%b" % (response.status_code, head, bytes(response.body))
