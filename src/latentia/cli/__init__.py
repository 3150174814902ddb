"""The command line: one file a command; torch is loaded only by a command that needs it."""

from __future__ import annotations

import sys

from latentia.cli.app import app
from latentia.errors import LatentiaError

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; an expected failure is one line and a remedy."""
    try:
        app()
    except LatentiaError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
