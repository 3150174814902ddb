"""A layer over the functions of ``os`` in which the n-th call for one folder fails, or is the last of the process."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

CALLS = ("open", "write", "fsync", "close", "rename", "replace", "mkdir", "unlink", "rmdir", "stat")
READING = ("read", "stat")
"""Calls that fail in one way: with EIO."""

ERRORS = {name: getattr(errno, name) for name in ("ENOSPC", "EIO", "EROFS", "EINTR", "EDQUOT")}
UNREAD = ("EIO", "EACCES", "EPERM", "EMFILE", "ENFILE", "ENOMEM", "ESTALE", "EINTR", "EINVAL", "ENXIO", "ETIMEDOUT")
"""Errors of a file that is there and is not given back."""

LISTING = ("listdir", "scandir")
LOOKING = ("open", *READING, *LISTING)
"""Calls that fail as long as a file or a folder is not given back."""

FULL = "full from here"
ROOM = ("open", "write", "mkdir", "fsync")
"""Calls that a full disk refuses."""

CUTS = ("power cut", "power cut, names lost")
DEATHS = ("killed before", "killed after", "torn", *CUTS)
KINDS = (*ERRORS, FULL, *DEATHS)

REAL: dict[str, Any] = {
    name: getattr(os, name) for name in (*CALLS, *LISTING, "ftruncate", "fstat", "kill", "dup", "fdopen")
}
LIBRARY = ctypes.CDLL


@dataclass(frozen=True)
class Fault:
    """What happens at which call, counted from 1; call 0 never comes.

    Attributes:
        kind: What happens.
        at: The call.
        name: The call by which a file is not given back, as often as it is tried.
        path: The file, from its run folder on.
    """

    kind: str = "none"
    at: int = 0
    name: str = ""
    path: str = ""

    def happened(self, fired: str, died: bool) -> bool:
        """Tell by what it left whether it did: the error that was raised, or the death that was to be."""
        told = fired.strip().removesuffix(SAVING)
        if self.kind in DEATHS:
            return bool(told) and (died or told == AT_THE_END)
        reading = not self.name and any(f" {name}, " in told for name in READING)
        return told.endswith(f", {'EIO' if reading else 'ENOSPC' if self.kind == FULL else self.kind}")


SAVING = " while saving"
AT_THE_END = "after the last call"
CALLED, STEPPED, CELLS = 0, 8, 16
"""Places of the counts that a child shares, and their length."""


def set_count(shared: mmap, place: int, count: int) -> None:
    """Tell a count to the parent."""
    shared[place : place + 8] = count.to_bytes(8, "little")


def count_at(shared: mmap, place: int) -> int:
    """Return a count that the child told."""
    return int.from_bytes(shared[place : place + 8], "little")


def _is_saving() -> bool:
    """Tell whether the training loop is writing a checkpoint or weights."""
    frame = sys._getframe()
    while frame := frame.f_back:
        if frame.f_code.co_name == "_save" and frame.f_globals.get("__name__") == "latentia.training.loop":
            return True
    return False


@dataclass(frozen=True)
class Given:
    """A name that is not on the disk yet.

    Attributes:
        path: The name.
        source: What was renamed to it; empty where the name was made.
        kept: Where a link to the file that it replaced is kept, if it did.
    """

    path: str
    source: str = ""
    kept: str = ""

    def take_back(self) -> None:
        """Do what a power cut does."""
        with suppress(FileNotFoundError):
            if self.source:
                REAL["rename"](self.path, self.source)
            else:
                _erase(self.path)
        if self.kept:
            os.link(self.kept, self.path)

    def moved(self, source: str, target: str) -> Given:
        """Follow the rename of a folder above."""
        places = (f"{target}{each[len(source) :]}" if each.startswith(f"{source}/") else each for each in self._places)
        return Given(*places, kept=self.kept)

    @property
    def _places(self) -> tuple[str, str]:
        return self.path, self.source


def _erase(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        for name in os.listdir(path):
            _erase(os.path.join(path, name))
        REAL["rmdir"](path)
    else:
        REAL["unlink"](path)


class _Read:
    """A file whose reads are calls."""

    def __init__(self, file: Any, disk: Disk, descriptor: int) -> None:
        self.file, self.disk, self.descriptor = file, disk, descriptor

    def read(self, size: int = -1) -> bytes:
        """Read as the file does, or fail."""
        content: bytes = self.disk._guarded("read", lambda _: self.file.read(size))(self.descriptor)
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> _Read:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.disk.files.pop(self.descriptor, None)


class DeadError(BaseException):
    """The process would be dead now."""


class Disk:
    """The calls that concern a folder.

    A power cut is a death after which the disk has lost what was not synced: contents of files (``power cut``), or
    names of files and folders that were made or renamed (``power cut, names lost``).
    """

    def __init__(self, folder: Path, fault: Fault, marker: int = -1, shared: mmap | None = None) -> None:
        """Take the folder, the fault, a descriptor on which it is told when it fires, and where calls are counted.

        Without one a death is played: ``DeadError`` is raised there and at every later call, so that nothing more is
        done, as by a process that is no more.
        """
        self.folder, self.fault, self.marker = str(folder), fault, marker
        self.count, self.fired, self.dead = 0, "", False
        self.shared = shared
        self.names: list[str] = []
        self.looks: list[tuple[str, str]] = []
        """Calls by which files were looked at, and the files, where one is not given back."""
        self.busy = False
        self.files: dict[int, str] = {}
        self.unsynced: dict[int, tuple[int, int]] = {}
        """Inode to a descriptor of its own and the length on the disk, for files of which not all is there yet."""
        self.given: list[Given] = []
        """Names whose folder was not synced since, in their order."""

    def install(self) -> None:
        """Replace the functions of ``os`` in this process."""
        for name in self._calls:
            setattr(os, name, self._guarded(name, REAL[name]))
        os.fdopen = self._file
        ctypes.CDLL = self._library

    def _file(self, descriptor: int, *arguments: Any, **options: Any) -> Any:
        """Open a descriptor as a file, reads of which are calls."""
        file = REAL["fdopen"](descriptor, *arguments, **options)
        return _Read(file, self, descriptor) if descriptor in self.files else file

    def _library(self, name: str | None, *arguments: Any, **options: Any) -> Any:
        """Load a library; that of C exchanges names by a call that can fail."""
        library = LIBRARY(name, *arguments, **options)
        real = None if name else getattr(library, "renameat2", None)
        if real is None:
            return library

        def exchange(place: int, one: bytes, other_place: int, other: bytes, flags: int) -> int:
            call = self._guarded("renameat2", lambda _: real(place, one, other_place, other, flags))
            try:
                return int(call(os.fsdecode(one)))
            except OSError:
                return -1

        return SimpleNamespace(renameat2=exchange)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace the functions of ``os`` for a while; a death that is played ends it."""
        self.install()
        try:
            yield
            if self.fault.kind in CUTS and self.fault.at > self.count:
                self.fired, self.busy = AT_THE_END, True  # what is lost is no call of the program
                self.lose()
        except DeadError:
            pass
        finally:
            for name in (*self._calls, "fdopen"):
                setattr(os, name, REAL[name])
            ctypes.CDLL = LIBRARY
            for descriptor in (*self.files, *(own for own, _ in self.unsynced.values())):
                with suppress(OSError):
                    os.close(descriptor)

    def _tell(self, what: str) -> None:
        """Leave evidence that the fault happened."""
        self.fired = f"{self.count} {what}{SAVING if _is_saving() else ''}\n"
        if self.marker >= 0:
            REAL["write"](self.marker, self.fired.encode())

    def _guarded(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if self.busy or not self._concerned(arguments, options):
                return real(*arguments, **options)
            self.busy = True
            try:
                return attempt(*arguments, **options)
            finally:
                self.busy = False

        def attempt(*arguments: Any, **options: Any) -> Any:
            if self.dead:
                raise DeadError
            self.count += 1
            self.names.append(name)
            if self.shared is not None:
                set_count(self.shared, CALLED, self.count)
            if self._is_due(name, arguments):
                try:
                    self._fire(name, real, arguments, options)
                except OSError as error:
                    self._tell(f"{name}, {errno.errorcode[error.errno or 0]}")
                    raise
            self._note_name(name, arguments)
            result = real(*arguments, **options)
            self._follow(name, arguments, result)
            return result

        return call

    @property
    def _calls(self) -> tuple[str, ...]:
        """Names of the functions that are replaced; those that list a folder are no calls of a save."""
        return (*CALLS, *LISTING) if self.fault.name else CALLS

    def _is_due(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """Tell whether it is this call that fails."""
        if self.fault.name:
            place = self.files[arguments[0]] if isinstance(arguments[0], int) else os.fspath(arguments[0])
            look = name, os.path.relpath(place, self.folder)
            if name in LOOKING and not (name == "open" and arguments[1] & os.O_ACCMODE):
                self.looks.append(look)
                return look == (self.fault.name, self.fault.path)
            return False
        return self.count == self.fault.at or (self.fault.kind == FULL and 0 < self.fault.at < self.count)

    def _note_name(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Remember a name that is about to be given."""
        if self.fault.kind != "power cut, names lost":
            return
        if name in ("rename", "replace"):
            source, target = map(os.fspath, arguments[:2])
            kept = f"{self.folder}.kept-{self.count}" if os.path.isfile(target) else ""
            if kept:
                os.link(target, kept)
            self.given.append(Given(target, source, kept))
        elif name == "mkdir" or (name == "open" and arguments[1] & os.O_CREAT):
            path = os.fspath(arguments[0])
            if not os.path.lexists(path):
                self.given.append(Given(path))

    def _concerned(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> bool:
        """Tell whether a call is about the folder; one by descriptor is if the descriptor is."""
        first = arguments[0]
        if isinstance(first, int):
            return first in self.files
        if options.get("dir_fd") is not None:
            return options["dir_fd"] in self.files
        return os.fspath(first).startswith(self.folder) if isinstance(first, str | os.PathLike) else False

    def _fire(self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        kind = self.fault.kind
        if kind == FULL and name not in ROOM:
            return
        if number := getattr(errno, "ENOSPC" if kind == FULL else kind, 0):
            number = errno.EIO if name in READING and not self.fault.name else number
            if name == "close":
                real(*arguments, **options)
            raise OSError(number, os.strerror(number))
        self._tell(f"{name}, {kind}")
        if kind == "torn" and name == "write":
            real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
        elif kind not in ("killed before", "torn"):
            self._note_name(name, arguments)
            with suppress(OSError):  # what is asked for is not there
                self._follow(name, arguments, real(*arguments, **options))
        self._die()

    def lose(self) -> None:
        """Take from the disk what a power cut takes."""
        if self.fault.kind == "power cut":
            for descriptor, length in self.unsynced.values():
                REAL["ftruncate"](descriptor, length)
        if self.fault.kind == "power cut, names lost":
            for each in reversed(self.given):
                each.take_back()

    def _die(self) -> None:
        self.lose()
        self.dead = True
        if self.marker >= 0:
            REAL["kill"](os.getpid(), signal.SIGKILL)
        raise DeadError

    def _follow(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        """Keep track of descriptors, and of what is not on the disk yet."""
        if name == "open":
            self.files[result] = os.fspath(arguments[0])
        elif name == "close":
            self.files.pop(arguments[0], None)
        elif name == "write":
            found = REAL["fstat"](arguments[0])
            if found.st_ino not in self.unsynced:
                self.unsynced[found.st_ino] = REAL["dup"](arguments[0]), found.st_size - result
        elif name == "fsync":
            self._synced(arguments[0])

    def _synced(self, descriptor: int) -> None:
        found = REAL["fstat"](descriptor)
        if stat.S_ISDIR(found.st_mode):
            self._keep_names(self.files[descriptor])
        elif found.st_ino in self.unsynced:
            REAL["close"](self.unsynced.pop(found.st_ino)[0])

    def _keep_names(self, folder: str) -> None:
        """Take the names of a folder for kept; what is inside a renamed one is lost under its new name from now on."""
        lasting: list[Given] = []
        for each in self.given:
            if os.path.dirname(each.path) != folder:
                lasting.append(each)
            elif each.source:
                lasting = [before.moved(each.source, each.path) for before in lasting]
        self.given = lasting
