"""How far a command came: what was read, what was answered, and what is being done."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TimeElapsedColumn
from rich.text import Text

from latentia.cli.console import remarks, results

T = TypeVar("T")

SECONDS = 0.1
"""Time between two looks at a count, so that quick answers are not slowed by being counted."""


class Bar(AbstractContextManager["Bar"], logging.Handler):
    """A line for each thing that is counted, and one for what the package last logged that it does.

    Args:
        into_file: Whether answers go to a file; where they are printed to the terminal they would tear a bar.
    """

    def __init__(self, into_file: bool) -> None:
        """Show nothing yet."""
        super().__init__(logging.INFO)
        shown = remarks.is_terminal and (into_file or not results.is_terminal)
        self._progress = Progress(
            SpinnerColumn(), _Count(), _Rate(), TimeElapsedColumn(), console=remarks, transient=True, disable=not shown
        )

    def counted(self, things: Iterable[T], name: str, total: int | None = None) -> Iterator[T]:
        """Yield things, and show how many there were, of how many if that is known."""
        task = self._progress.add_task(name, total=total)
        seen = time.monotonic()
        for number, thing in enumerate(things, start=1):
            yield thing
            if time.monotonic() - seen > SECONDS:
                self._progress.update(task, completed=number)
                seen = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Show what is being done, in place of what was before."""
        doing = [task.id for task in self._progress.tasks if task.fields.get("doing")]
        for each in doing:
            self._progress.remove_task(each)
        self._progress.add_task(record.getMessage(), doing=True)

    def __enter__(self) -> Bar:
        """Begin to show, and to listen."""
        _LOG.addHandler(self)
        self._level = _LOG.level
        _LOG.setLevel(logging.INFO)
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take all of it away."""
        self._progress.stop()
        _LOG.removeHandler(self)
        _LOG.setLevel(self._level)


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.fields.get("doing"):
            return Text(task.description)
        of = "" if task.total is None else f" of {task.total:,.0f}"
        return Text(f"{task.completed:,.0f}{of} {task.description}")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} a second" if task.speed and task.speed >= 1 else "")


_LOG = logging.getLogger("latentia")
