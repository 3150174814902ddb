"""Asks a server over sockets, from a process of its own; `serving.py` tells it what, how often and what to expect.

Reads a job as JSON from standard input and writes what came of it to standard output. Requests are bytes that are ready
before the clock starts. In an open loop they are sent at times that were fixed before, and latency counts from
those, whether or not the server was ready to take them; in a closed loop each client sends when it has its answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """What came of the requests.

    Attributes:
        statuses: Count of each; 0 where nobody listened, -1 where a connection was broken.
        accepted: Seconds of each answer with status 200.
        refused: Seconds of each other.
        wrong: Answers that were not as expected.
        late: Requests that could not be sent within 50 ms of their time, because this process was not given the core.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    wrong: int = 0
    late: int = 0

    def add(self, status: int, body: bytes, expected: bytes, seconds: float) -> None:
        """Count an answer."""
        self.statuses[status] += 1
        (self.accepted if status == 200 else self.refused).append(seconds)
        self.wrong += status == 200 and body != expected


class Connections:
    """Connections that are kept for the next request."""

    def __init__(self, host: str, port: int) -> None:
        """Open none yet."""
        self._address, self._free = (host, port), deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Return status and body; 0 if nobody listens, -1 if a new connection was broken before an answer came.

        A connection that was kept may have been closed meanwhile: then the request was not read, and goes to a new one.
        """
        while self._free:
            if (found := await self._asked(*self._free.popleft(), request))[0] > 0:
                return found
        try:
            reader, writer = await asyncio.open_connection(*self._address)
        except OSError:
            return 0, b""
        return await self._asked(reader, writer, request)

    async def _asked(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> tuple[int, bytes]:
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            return -1, b""
        if b"connection: close" in head.lower():
            writer.close()
        else:
            self._free.append((reader, writer))
        return int(head[9:12]), body


async def closed(job: dict[str, Any], pairs: list[tuple[bytes, bytes]]) -> Tally:
    """Let clients ask one after another for some seconds."""
    tally, until = Tally(), time.perf_counter() + job["seconds"]
    connections = Connections(job["host"], job["port"])

    async def client(number: int) -> None:
        draw = random.Random(number)
        while (begun := time.perf_counter()) < until:
            request, expected = draw.choice(pairs)
            tally.add(*await connections.ask(request), expected, time.perf_counter() - begun)

    await asyncio.gather(*map(client, range(job["clients"])))
    return tally


async def opened(job: dict[str, Any], pairs: list[tuple[bytes, bytes]]) -> Tally:
    """Send requests at random times of a rate, whatever becomes of those before."""
    tally, draw, tasks = Tally(), random.Random(0), set[asyncio.Task[None]]()
    connections, due = Connections(job["host"], job["port"]), time.perf_counter()
    until = due + job["seconds"]

    async def one(intended: float) -> None:
        request, expected = draw.choice(pairs)
        status, body = await connections.ask(request)
        tally.add(status, body, expected, time.perf_counter() - intended)

    while (due := due + draw.expovariate(job["rate"])) < until:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tally.late += time.perf_counter() - due > 0.05
        task = asyncio.create_task(one(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return tally


def main() -> None:
    """Do the job."""
    job = json.load(sys.stdin)
    pairs = [(_request(job, body), expected.encode()) for body, expected in job["pairs"]]
    cpu, begun = time.process_time(), time.perf_counter()
    tally = asyncio.run((opened if job["rate"] else closed)(job, pairs))
    seconds = time.perf_counter() - begun
    json.dump(
        {
            "seconds": seconds,
            "cpu": time.process_time() - cpu,
            "statuses": tally.statuses,
            "accepted": tally.accepted,
            "refused": tally.refused,
            "wrong": tally.wrong,
            "late": tally.late,
        },
        sys.stdout,
    )


def _request(job: dict[str, Any], body: str) -> bytes:
    content = body.encode()
    head = f"POST {job['path']} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(content), content)


if __name__ == "__main__":
    main()
