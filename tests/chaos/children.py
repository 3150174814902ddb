"""Child processes, forked from one that has loaded the package, and what became of them."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path

from latentia.errors import LatentiaError, StorageError
from tests.chaos.faults import CALLED, CELLS, Disk, Fault, count_at

UNTYPED = 99
"""Exit code of a child that ended with an error of no type of the package."""


@dataclass(frozen=True)
class Outcome:
    """How a child ended.

    Attributes:
        code: Its exit code; negative the signal that ended it.
        fired: The calls at which its fault fired, a line each.
        said: What it wrote.
        seconds: How long it took.
        heard: Numbers of the signals that came to a handler.
        calls: Calls for the folder that it made.
    """

    code: int
    fired: str
    said: str
    seconds: float
    heard: bytes = b""
    calls: int = 0

    def felt(self, fault: Fault) -> bool:
        """Tell whether there is evidence that a fault happened."""
        return fault.happened(self.fired, self.code == -signal.SIGKILL)


class Child:
    """A child process that does one thing.

    Args:
        work: What it does.
        folder: Whose calls of the operating system are counted.
        fault: What goes wrong.
        scratch: Where to put what it writes.
        memory: Bytes that it may have; 0 sets no limit.
        shared: Where it counts calls and steps; its own without it.
    """

    def __init__(
        self,
        work: Callable[[], object],
        folder: Path,
        fault: Fault,
        scratch: Path,
        memory: int = 0,
        shared: mmap | None = None,
    ) -> None:
        """Fork."""
        self.marker, self.log, self.heard = scratch / "fired", scratch / "said", scratch / "heard"
        self.shared = mmap(-1, CELLS) if shared is None else shared
        self.begin = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._be(work, folder, fault, memory)

    def _be(self, work: Callable[[], object], folder: Path, fault: Fault, memory: int) -> None:
        os.setsid()
        # Whoever started the harness may ignore signals, as nohup does, and a command that inherits that does too.
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        marker = os.open(self.marker, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        heard = os.open(self.heard, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK)
        signal.set_wakeup_fd(heard)
        disk = Disk(folder, fault, marker, self.shared)
        disk.install()
        code = UNTYPED
        try:
            work()
            code = 0
        except LatentiaError as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            code = error.exit_code
        except SystemExit as error:
            code = int(error.code or 0)
            if isinstance(error.__context__, LatentiaError):
                sys.stderr.write(f"{type(error.__context__).__name__}: {error.__context__}\n")
        except OSError as error:
            # The command tells a file that cannot be looked at as a failing disk, wherever it is met.
            code = StorageError.exit_code if error.errno == errno.EIO and " stat, EIO" in disk.fired else UNTYPED
            traceback.print_exc()
        except BaseException:  # noqa: BLE001 - whatever it is, it is told
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)

    def send(self, number: int = signal.SIGKILL) -> None:
        """Send the child a signal."""
        os.kill(self.pid, number)

    def count(self, place: int) -> int:
        """Return a count that it told: of calls, or of steps."""
        return count_at(self.shared, place)

    def halt(self) -> bool:
        """Let it stand still; tell whether it does, and has not ended before."""
        self.send(signal.SIGSTOP)
        found = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        return found is not None and found.si_code == os.CLD_STOPPED

    def ended(self) -> bool:
        """Tell whether it has ended, without waiting; it can still be waited for."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self, seconds: float = 120.0) -> Outcome:
        """Wait for its end, and not longer than that."""
        while not self.ended():
            if time.monotonic() - self.begin > seconds:
                self.send()
            time.sleep(0.002)
        _, status = os.waitpid(self.pid, 0)
        took = time.monotonic() - self.begin
        said = self.log.read_text(errors="replace") if self.log.exists() else ""
        fired = self.marker.read_text() if self.marker.exists() else ""
        heard = self.heard.read_bytes() if self.heard.exists() else b""
        return Outcome(os.waitstatus_to_exitcode(status), fired, said, took, heard, self.count(CALLED))


def run(work: Callable[[], object], folder: Path, scratch: Path, fault: Fault | None = None) -> Outcome:
    """Do one thing in a child, to its end."""
    return Child(work, folder, fault or Fault(), scratch).wait()
