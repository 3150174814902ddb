"""One thread a model, which answers what waits for it, together where requests differ in their texts alone."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from latentia.errors import LatentiaError
from latentia.operations import TextSpace
from latentia.operations.lines import Remarked
from latentia.server.calls import Call, Job, together
from latentia.server.limits import Limits
from latentia.server.problems import ProblemError, busy, unanswerable

THREAD = "latentia-model"
"""Name of the threads that compute."""

LAST = 1.0
"""Seconds in which a thread ends that has nothing to answer; what was accepted is answered before it is told to end."""

_LOG = logging.getLogger(__name__)


class End:
    """What follows the last answer: what there is to say of them."""

    def __init__(self, remarks: Sequence[str]) -> None:
        """Keep the remarks."""
        self.remarks = list(remarks)


class Ticket:
    """A call that waits, and its answers as they come.

    Made in the event loop that takes the answers; the thread of the model gives them.

    Args:
        call: What is asked.
        seconds: Until it is no longer wanted.
    """

    def __init__(self, call: Job, seconds: float) -> None:
        """Begin to wait."""
        self.call, self.cancelled = call, False
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + seconds
        self._events: asyncio.Queue[Any] = asyncio.Queue()

    @property
    def wanted(self) -> bool:
        """Whether somebody still waits."""
        return not self.cancelled and self._loop.time() < self._until

    def give(self, events: Sequence[object]) -> None:
        """Hand over answers, an end or an error, from any thread; nobody takes those of a loop that has ended."""
        try:
            self._loop.call_soon_threadsafe(self._put, events)
        except RuntimeError:
            self.cancelled = True

    def _put(self, events: Sequence[object]) -> None:
        for event in events:
            self._events.put_nowait(event)

    async def events(self) -> AsyncIterator[object]:
        """Yield the answers, and the end.

        Raises:
            ProblemError: If they cannot be had, or not in time.
        """
        try:
            async with asyncio.timeout_at(self._until):
                while True:
                    event = await self._events.get()
                    if isinstance(event, Exception):
                        raise event
                    yield event
                    if isinstance(event, End):
                        return
        except TimeoutError:
            raise busy("the request was not answered in time", status=503) from None
        finally:
            self.cancelled = True


class Worker:
    """Answers calls on a thread of its own.

    Args:
        space: What answers.
        limits: Most rows of a batch, and how long a call waits for others.
        batched: Is told the number of calls of each batch.
    """

    def __init__(self, space: TextSpace, limits: Limits, batched: Callable[[int], None] = lambda _: None) -> None:
        """Start the thread."""
        self.space, self._limits, self._batched = space, limits, batched
        self._waiting: deque[Ticket] = deque()
        self._changed, self._closed = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name=THREAD, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether calls are answered."""
        return self._thread.is_alive() and not self._closed

    def submit(self, call: Job) -> Ticket:
        """Let a call wait for its answers."""
        ticket = Ticket(call, math.inf if call.patient else self._limits.deadline)
        with self._changed:
            self._waiting.append(ticket)
            self._changed.notify()
        return ticket

    def close(self) -> None:
        """Answer what somebody still waits for, and end; work that nobody waits for is left behind."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(LAST)

    def _work(self) -> None:
        while batch := self._batch():
            self._batched(len(batch))
            _answer(self.space, batch)

    def _batch(self) -> list[Ticket]:
        """Wait for calls, and return those that are answered next; none when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return []
            first = min(self._waiting, key=lambda each: each.call.patient)
            if first.call.key and not self._closed:
                self._gather(first.call.key)
            return self._taken(first)

    def _gather(self, key: str) -> None:
        """Wait a little for calls that can be answered together with the first."""
        until = time.monotonic() + self._limits.window
        while (left := until - time.monotonic()) > 0 and self._rows(key) < self._limits.batch:
            self._changed.wait(left)

    def _rows(self, key: str) -> int:
        return sum(len(each.call.members) for each in self._waiting if each.call.key == key)

    def _taken(self, first: Ticket) -> list[Ticket]:
        """Take the first call, and those after it that fit into its batch."""
        taken, left, rows = list[Ticket](), deque[Ticket](), 0
        for each in self._waiting:
            size = len(each.call.members)
            fits = each is first or (each.call.key == first.call.key != "" and rows + size <= self._limits.batch)
            rows += size if fits else 0
            (taken if fits else left).append(each)
        self._waiting = left
        return taken


def _answer(space: TextSpace, tickets: Sequence[Ticket]) -> None:
    """Answer calls, together if there are several; if one spoils that, each alone."""
    wanted = [each for each in tickets if each.wanted]
    for each in set(tickets) - set(wanted):
        each.give([busy("the request was not answered in time", status=503)])
    if len(wanted) > 1:
        try:
            _answer_together(space, wanted)
        except Exception:  # noqa: BLE001 - whatever it is, it is told to the one who caused it
            _answer_each(space, wanted)
    else:
        _answer_each(space, wanted)


def _answer_together(space: TextSpace, tickets: Sequence[Ticket]) -> None:
    given = together(space, [each.call for each in tickets if isinstance(each.call, Call)])
    for ticket, (answers, remarks) in zip(tickets, given, strict=True):
        ticket.give([*answers, End(remarks)])


def _answer_each(space: TextSpace, tickets: Sequence[Ticket]) -> None:
    for ticket in tickets:
        try:
            _answer_alone(space, ticket)
        except LatentiaError as error:
            ticket.give([unanswerable(error)])
        except OverflowError:
            ticket.give([ProblemError(422, "a number became too large", "give smaller numbers")])
        except Exception:  # noqa: BLE001 - see below
            # A defect in answering one request must not end the thread that answers all.
            _LOG.exception("%s failed", ticket.call.operation)
            ticket.give([ProblemError(500, "the operation failed", "look into the log of the server")])


def _answer_alone(space: TextSpace, ticket: Ticket) -> None:
    answers = ticket.call.answers(space)
    for answer in answers:
        ticket.give([answer])
        if not ticket.wanted:
            return
    ticket.give([End(answers.remarks() if isinstance(answers, Remarked) else ())])
