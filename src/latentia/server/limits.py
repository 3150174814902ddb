"""How much is taken from one client, and from all together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of a server.

    Attributes:
        body_bytes: Largest body of a request.
        header_bytes: Most bytes of a request line and its headers, and of what follows a body in chunks.
        texts: Most texts or codes of one list.
        characters: Longest text.
        count: Most answers to one text, draws, candidates, and so on: the largest whole number but of seeds.
        magnitude: Largest number that is not whole, in absolute value; coordinates of codes may be larger.
        cost: Most that one request may cost, in tokens that are read or written, estimated from its bytes.
        requests: Most requests that wait or are being answered; more are refused.
        waiting_cost: Most that they may cost together.
        batch: Most texts or codes of several requests that are answered together.
        window: Seconds that a request waits for others to be answered with it.
        deadline: Seconds in which a request is answered or refused.
        read: Seconds in which headers must arrive, and after them the body.
        write: Seconds in which a client must take what is written.
        grace: Seconds in which a server that is told to stop still refuses, so that clients go elsewhere.
        drain: Seconds that accepted requests have when the server is told to stop.
        connections: Most connections at once.
    """

    body_bytes: int = 1_048_576
    header_bytes: int = 16_384
    texts: int = 1000
    characters: int = 10_000
    count: int = 1000
    magnitude: float = 100.0
    cost: int = 1_000_000
    requests: int = 16
    waiting_cost: int = 4_000_000
    batch: int = 8
    window: float = 0.002
    deadline: float = 30.0
    read: float = 10.0
    write: float = 30.0
    grace: float = 0.5
    drain: float = 30.0
    connections: int = 1000


DEFAULT_LIMITS = Limits()
