"""Signals that ask a run to stop: it saves after the step under way, and does not take long about it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PATIENCE = 7
"""Seconds that the step under way is given to end after a signal; then the run stops where it was last saved."""


class Interruption:
    """What signals asked for.

    Attributes:
        number: Of the first signal; 0 before any.
        deferred: Whether somebody looks at ``number`` after each step; otherwise a signal raises ``KeyboardInterrupt``,
            and so does a second one.
        hurried: Whether what is under way has a limit of time once a signal came.
    """

    def __init__(self) -> None:
        """Nothing was asked for yet."""
        self.number, self.deferred, self.hurried = 0, False, True

    @property
    def exit_code(self) -> int:
        """What a shell has for a program that a signal ended; that of Ctrl-C where none came."""
        return 128 + (self.number or signal.SIGINT)

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Look at ``number`` instead of being interrupted."""
        self.deferred = True
        try:
            yield
        finally:
            self.deferred = False
            signal.alarm(0)

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Give a save the time that it takes: cut short it would lose the steps that it is made for."""
        self.hurried = False
        signal.alarm(0)
        try:
            yield
        finally:
            self.hurried = True
            if self.number and self.deferred:
                signal.alarm(PATIENCE)

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        if number == signal.SIGALRM and not self.hurried:
            return
        first, self.number = not self.number, self.number or number
        if not (first and self.deferred):
            raise KeyboardInterrupt
        if self.hurried:
            signal.alarm(PATIENCE)


_installed: list[Interruption] = []


@contextmanager
def ended_at_once() -> Iterator[None]:
    """Let signals end the process itself, for work that hears none and leaves nothing; a shell tells the same code."""
    heard = [number for number in ASKING if _installed and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Take SIGINT, SIGTERM and SIGHUP, unless they are ignored; within another such block, what that one takes.

    Only the main thread may; in another one no signal is seen.
    """
    if _installed or threading.current_thread() is not threading.main_thread():
        yield _installed[0] if _installed and threading.current_thread() is threading.main_thread() else Interruption()
        return
    taken = Interruption()
    heard = [number for number in ASKING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, taken.note) for number in (*heard, signal.SIGALRM)}
    _installed.append(taken)
    try:
        yield taken
    finally:
        _installed.clear()
        for number, handler in before.items():
            signal.signal(number, handler)
