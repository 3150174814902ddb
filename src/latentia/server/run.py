"""From run folders to a process that answers."""

from __future__ import annotations

import gc
import ipaddress
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn

from latentia.errors import InputError
from latentia.recipes.runs import columns_of, load
from latentia.server.app import create_app
from latentia.server.batching import THREAD
from latentia.server.connection import Connection
from latentia.server.gate import Gate
from latentia.server.keys import VARIABLE, Keys
from latentia.server.limits import Limits
from latentia.server.map import texts_of
from latentia.server.models import names_of


def serve(  # noqa: PLR0913 - the options of a command
    folders: Sequence[Path],
    *,
    host: str,
    port: int,
    ui: bool,
    keys: str,
    without_keys: bool,
    limits: Limits,
    data: Sequence[str] = (),
    tell: Callable[[str], None],
) -> None:
    """Serve runs until the process is told to stop; accepted requests are answered first.

    Args:
        folders: Run folders, or those of ``latentia export``.
        host: Address to listen at.
        port: Likewise.
        ui: Whether the page is served.
        keys: File of hashed keys; none if empty.
        without_keys: Whether other machines may ask without a key.
        limits: How much is taken.
        data: Files of texts that the map shows; without any, what each run was trained on.
        tell: Is told where the server listens.

    Raises:
        InputError: If other machines could ask without a key, or two folders have one name.
        RunError: If a folder is no run.
    """
    known = Keys.read(keys)
    if keys and not known:
        raise InputError(f"{keys} holds no key", "write the SHA-256 of each into it, one a line; see docs/server.md")
    if not (_is_loopback(host) or known or without_keys):
        raise InputError(f"host is {host} and there is no key", f"give --keys FILE or {VARIABLE}, or --without-keys")
    spaces = dict(zip(names_of(folders), map(load, folders), strict=True))
    hosts = ["localhost", "127.0.0.1", "[::1]", host] if _is_loopback(host) else []
    shown = {
        name: partial(texts_of, space, data, columns_of(folder))
        for folder, (name, space) in zip(folders, spaces.items() if data else (), strict=False)
    }
    app = create_app(spaces, limits=limits, keys=known, hosts=hosts, ui=ui, shown=shown)
    # What is there by now stays. Python's collector, which a large body wakes many times, need not walk through it.
    gc.freeze()
    with _bound(host, port) as bound:
        shown_host = f"[{host}]" if ":" in host else host
        address = f"http://{shown_host}:{bound.getsockname()[1]}"
        tell(f"{', '.join(spaces)} at {address}{'/ui' if ui else '/v1/models'}")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # once it has stopped, that it was told to is no failure
        Server(app, configured(app, host, port), tell).run(sockets=[bound])
    tell(f"stopped; {app.admission.requests} accepted requests were not answered")
    _end_threads()


def _bound(host: str, port: int) -> socket.socket:
    """Take an address before anything is said of it.

    Raises:
        InputError: If it cannot be had.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        problem = f"{host}:{port} cannot be listened at ({error.strerror or error})"
        raise InputError(problem, "give another --port or --host") from None


def _end_threads() -> None:
    """End the process where a thread is left in work that nobody waits for: it would keep or crash the interpreter."""
    if any(thread.name == THREAD and thread.is_alive() for thread in threading.enumerate()):
        _leave(0)


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def listening(app: Gate) -> Iterator[int]:
    """Serve an application on a thread, for this machine alone, and yield the port that was free."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port: int = bound.getsockname()[1]
        server = uvicorn.Server(configured(app, "127.0.0.1", port))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join()


def configured(app: Gate, host: str, port: int) -> uvicorn.Config:
    """Return how an application is run: what its limits do not say has one safe value."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=partial(Connection, app),  # type: ignore[arg-type] # it is only called
        ws="none",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=max(1, round(app.limits.read)),
        timeout_graceful_shutdown=max(1, round(app.limits.drain)),
        backlog=2048,
    )


class Server(uvicorn.Server):
    """Refuses what is new for a moment when it is told to stop, so that clients learn of it, and then stops.

    Told again, it is gone at once.

    Args:
        app: What it runs.
        config: How.
        tell: Is told of an end at once.
    """

    def __init__(self, app: Gate, config: uvicorn.Config, tell: Callable[[str], None]) -> None:
        """Keep what knows of the end."""
        super().__init__(config)
        self._admission, self._grace, self._told = app.admission, app.limits.grace, 0.0
        self._tell = tell

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, or end the process if it was told before."""
        if self._admission.draining:
            self._tell(f"stopped at once; {self._admission.requests} accepted requests were not answered")
            _leave(128 + sig)
        self._admission.draining, self._told = True, time.monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Tell whether to stop now."""
        told = self._told and time.monotonic() - self._told > self._grace
        return await super().on_tick(counter) or bool(told)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
