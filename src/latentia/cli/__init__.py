"""The command line: one file a command; torch is loaded only by a command that needs it."""

from __future__ import annotations

import errno
import sys
import warnings
from typing import cast

import typer

from latentia.cli.app import app
from latentia.cli.console import escaped
from latentia.errors import LatentiaError, StorageError, is_of_memory, reason_of

__all__ = ["app", "main"]


INTERRUPTED = 130

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ENOMEM)

# The library keeps the class of all usage errors private, and a descendant of it public.
_UsageError = cast(type[typer.BadParameter], typer.BadParameter.__bases__[0])


def main() -> None:
    """Run the command line; an expected failure is one line and a remedy."""
    warnings.showwarning = _remark
    try:
        sys.exit(app(prog_name="latentia", standalone_mode=False))
    except LatentiaError as error:
        _tell(f"error: {error}")
        sys.exit(error.exit_code)
    except _UsageError as error:
        _explain(error)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    except (MemoryError, RuntimeError) as error:
        if not is_of_memory(error):
            raise
        _tell(f"error: the memory does not take it ({reason_of(error)}): end other programs, or ask for less at once")
        sys.exit(StorageError.exit_code)
    except OSError as error:
        _tell(f"error: {error.filename or 'a file'}: {error.strerror or error}: check the path and the disk")
        sys.exit(StorageError.exit_code if error.errno in _OF_THE_DISK else 2)


def _remark(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning as a line; where in the code it was raised is nothing to a user."""
    _tell(f"remark: {message}")


def _explain(error: typer.BadParameter) -> None:
    """Say what was wrong with the command; called bare, it has shown its help and there is nothing to add."""
    message = error.format_message().rstrip(".").replace("Value error, ", "")
    command = error.ctx.command_path if error.ctx else "latentia"
    if message:
        _tell(f"error: {message}: see `{command} --help`")


def _tell(line: str) -> None:
    """Write a line beside the results; names in files may hold what a terminal obeys."""
    sys.stderr.write(f"{escaped(line) if sys.stderr.isatty() else line}\n")
