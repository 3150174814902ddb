"""How much waits: every request takes a place before it is read, and pays what it costs before it is worked on."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from latentia.server.limits import Limits
from latentia.server.problems import ProblemError, busy

PAID = "latentia.paid"
"""Key of a request's scope: what it has paid."""

TOO_MANY = "too many requests are waiting"

Scope = MutableMapping[str, Any]


class Admission:
    """Counts the requests that wait or are being answered, and what they cost.

    Args:
        limits: Of both.
    """

    def __init__(self, limits: Limits) -> None:
        """Begin with none."""
        self._limits, self.requests, self.cost, self.draining = limits, 0, 0, False

    @property
    def full(self) -> bool:
        """Whether a request would have to wait for too many others."""
        return self.requests >= self._limits.requests

    def require_room(self) -> None:
        """Refuse a request that would have to wait for too many others.

        Raises:
            ProblemError: If it would, or the server is about to stop.
        """
        if self.draining:
            raise busy("the server is stopping", status=503)
        if self.full:
            raise busy(TOO_MANY)

    @contextmanager
    def place(self, scope: Scope) -> Iterator[None]:
        """Hold a place as long as a request is in the house.

        Raises:
            ProblemError: If there is none.
        """
        self.require_room()
        self.requests += 1
        scope[PAID] = 0
        try:
            yield
        finally:
            self.requests -= 1
            self.cost -= scope[PAID]

    def charge(self, scope: Scope, cost: int) -> None:
        """Let a request that holds a place pay what it costs.

        Raises:
            ProblemError: If it costs more than any may, or than there is room for.
        """
        if cost > self._limits.cost:
            problem = f"the request costs {cost:,} tokens by its bytes, of {self._limits.cost:,} at most"
            raise ProblemError(413, problem, "ask for less at a time")
        if self.cost and self.cost + cost > self._limits.waiting_cost:
            raise busy("requests that are waiting cost too much")
        self.cost += cost
        scope[PAID] += cost
