"""From run folders to a process that answers."""

from __future__ import annotations

import ipaddress
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import uvicorn

from latentia.errors import InputError
from latentia.recipes.runs import columns_of, load
from latentia.server.app import create_app
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
    if not (_is_loopback(host) or known or without_keys):
        raise InputError(f"host is {host} and there is no key", f"give --keys FILE or {VARIABLE}, or --without-keys")
    spaces = dict(zip(names_of(folders), map(load, folders), strict=True))
    hosts = ["localhost", "127.0.0.1", "[::1]", host] if _is_loopback(host) else []
    shown = {
        name: partial(texts_of, space, data, columns_of(folder))
        for folder, (name, space) in zip(folders, spaces.items() if data else (), strict=False)
    }
    app = create_app(spaces, limits=limits, keys=known, hosts=hosts, ui=ui, shown=shown)
    tell(f"{', '.join(spaces)} at http://{host}:{port}{'/ui' if ui else '/v1/models'}")
    _until_told(uvicorn.Server(configured(app, host, port, limits)))


def configured(app: Gate, host: str, port: int, limits: Limits) -> uvicorn.Config:
    """Return how an application is run: what the limits do not say has one safe value."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=partial(Connection, limits),  # type: ignore[arg-type] # it is only called
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=max(1, round(limits.read)),
        timeout_graceful_shutdown=max(1, round(limits.drain)),
        backlog=2048,
    )


def _until_told(server: uvicorn.Server) -> None:
    """Run a server; that it was told to stop is no failure."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
