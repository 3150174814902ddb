"""What this process opened: evidence that a file was looked at, and not only put there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_heard: list[Callable[[str], object]] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _heard and isinstance(arguments[0], str | os.PathLike):
        _heard[-1](os.fspath(arguments[0]))


@contextmanager
def opened() -> Iterator[set[str]]:
    """Collect the paths that are opened."""
    if not _installed:
        sys.addaudithook(_hear)
        _installed.append(True)
    found = set[str]()
    _heard.append(found.add)
    try:
        yield found
    finally:
        _heard.pop()


_installed: list[bool] = []
"""A hook can be added and not be taken away."""
