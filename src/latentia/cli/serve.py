"""``latentia serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentia.cli.console import remarks
from latentia.errors import InputError


def serve(  # noqa: PLR0913 - the options of a command
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at.")] = 8000,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Serve the API alone, without its page.")] = False,
    keys: Annotated[
        str, typer.Option(metavar="FILE", help="File with the SHA-256 of each key, one a line.", show_default=False)
    ] = "",
    without_keys: Annotated[bool, typer.Option("--without-keys", help="Let other machines ask without a key.")] = False,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Texts that the map shows, in place of what a run was trained on."),
    ] = None,
    requests: Annotated[int, typer.Option(min=1, max=100_000, help="Most requests that wait; more are refused.")] = 16,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Most texts that are answered together.")] = 8,
    deadline: Annotated[float, typer.Option(min=0.01, max=3600, help="Seconds in which a request is answered.")] = 30.0,
) -> None:
    """Serve runs: every operation as an address under /v1, and a page under /ui that explores the space.

    Keys are hashed, in the file or in the variable LATENTIA_API_KEYS; see docs/server.md.
    """
    try:
        from latentia.server import Limits
        from latentia.server import serve as run
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed", "pip install 'latentia[serve]'") from None
    limits = Limits(requests=requests, batch=batch, deadline=deadline)
    run(
        runs,
        host=host,
        port=port,
        ui=not no_ui,
        keys=keys,
        without_keys=without_keys,
        limits=limits,
        data=data or (),
        tell=lambda text: remarks.print(text, markup=False),
    )
