"""Signals that ask a run to stop: it saves after the step under way, and does not take long about it."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PATIENCE = 7
"""Seconds that the step under way is given to end after a signal; then the run stops where it was last saved."""

GRACE = 1
"""Seconds that the main thread is given to hear of that, or of a second signal; then the process ends without it."""


class Interruption:
    """What signals asked for.

    Attributes:
        number: Of the first signal; 0 before any.
        deferred: Whether somebody looks at ``number`` after each step; otherwise a signal raises ``KeyboardInterrupt``,
            and so does a second one.
        hurried: Whether what is under way has a limit of time once a signal came.
        since: When that time last began anew, after a save.
        heeded: Whether the main thread has stopped for a signal.
    """

    def __init__(self) -> None:
        """Nothing was asked for yet."""
        self.number, self.deferred, self.hurried = 0, False, True
        self.since, self.heeded = 0.0, False

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
            self.deferred, self.heeded = False, self.heeded or bool(self.number)
            signal.alarm(0)

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Give a save the time that it takes: cut short it would lose the steps that it is made for."""
        self.hurried = False
        signal.alarm(0)
        try:
            yield
        finally:
            self.since, self.hurried = time.monotonic(), True
            if self.number and self.deferred:
                signal.alarm(PATIENCE)

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        if number == signal.SIGALRM and not self.hurried:
            return
        first, self.number = not self.number, self.number or number
        if not (first and self.deferred):
            self.heeded = True
            raise KeyboardInterrupt
        if self.hurried:
            signal.alarm(PATIENCE)


class Watchdog:
    """Ends the process when its main thread does not heed a signal.

    A handler of Python waits for the main thread to come back from native code; a thread reads the number of the signal
    at once, if native code lets other threads run.

    Args:
        asked: What the main thread knows of signals.
    """

    def __init__(self, asked: Interruption) -> None:
        """Begin to watch; whoever was told of signals before is still told."""
        self.asked = asked
        self.number, self.times, self.at = 0, 0, 0.0
        self.reader, self.writer = socket.socketpair()
        self.writer.setblocking(False)
        self.before = signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        self.thread = threading.Thread(target=self._watch, name="signals", daemon=True)
        self.thread.start()
        _watching.append(self)

    def close(self) -> None:
        """Give back what was taken."""
        _watching.remove(self)
        signal.set_wakeup_fd(self.before)
        self.writer.shutdown(socket.SHUT_WR)
        self.thread.join()
        self.writer.close()
        self.reader.close()

    def _watch(self) -> None:
        while told := self._told():
            self._hear(told)
            self.reader.settimeout(GRACE / 10)
            if self._is_overdue():
                os.write(2, b"interrupted at once: what was under way does not end\n")
                os._exit(128 + self.number)

    def _told(self) -> bytes:
        """Return numbers of signals, NUL where none came in time, and nothing at the end."""
        try:
            return self.reader.recv(512)
        except TimeoutError:
            return b"\0"

    def _hear(self, told: bytes) -> None:
        numbers = [number for number in told if number]
        if numbers and self.before >= 0:
            with suppress(OSError):
                os.write(self.before, bytes(numbers))
        for number in set(numbers) & set(ASKING):
            self.number, self.at = self.number or number, time.monotonic()
            self.times += numbers.count(number)

    def _is_overdue(self) -> bool:
        """Tell whether the main thread had its time; a second signal gives a save none."""
        if self.asked.heeded or not self.times:
            return False
        if self.times > 1:
            return time.monotonic() > self.at + GRACE
        return self.asked.hurried and time.monotonic() > max(self.at, self.asked.since) + PATIENCE + GRACE


_watching: list[Watchdog] = []


def _watch_no_parent() -> None:
    """Keep the signals of a forked process from the one that watches: they are not for that one."""
    if _watching:
        signal.set_wakeup_fd(-1)


os.register_at_fork(after_in_child=_watch_no_parent)

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
def interruption(within_time: bool = False) -> Iterator[Interruption]:
    """Take SIGINT, SIGTERM and SIGHUP, unless they are ignored; within another such block, what that one takes.

    Only the main thread may; in another one no signal is seen. ``within_time`` ends the process where the main thread
    does not heed them: for commands, as a library is not asked whether its process may end.
    """
    if _installed or threading.current_thread() is not threading.main_thread():
        yield _installed[0] if _installed and threading.current_thread() is threading.main_thread() else Interruption()
        return
    taken = Interruption()
    with _watched(taken) if within_time else nullcontext(), _taken(taken):
        yield taken


@contextmanager
def _watched(asked: Interruption) -> Iterator[None]:
    """Watch the main thread; handlers are of a block within, as a signal may not break off what is given back here."""
    watchdog = Watchdog(asked)
    try:
        yield
    finally:
        watchdog.close()


@contextmanager
def _taken(asked: Interruption) -> Iterator[None]:
    """Install the handlers."""
    heard = [number for number in ASKING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, asked.note) for number in (*heard, signal.SIGALRM)}
    _installed.append(asked)
    try:
        yield
    finally:
        _installed.clear()
        for number, handler in before.items():
            signal.signal(number, handler)
