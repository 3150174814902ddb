"""Signals that come while the main thread is elsewhere."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from latentia.training.interruption import Interruption, Watchdog, _watch_no_parent, interruption


@pytest.fixture
def listened() -> Iterator[int]:
    """Somebody is told of signals, as an event loop is."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)
    yield reader
    assert signal.set_wakeup_fd(before) == writer
    os.close(reader)
    os.close(writer)


def test_whoever_was_told_of_signals_before_is_told_still_and_afterwards(listened):
    with interruption(within_time=True) as asked, asked.awaited():
        signal.raise_signal(signal.SIGTERM)
    assert asked.number == signal.SIGTERM
    assert os.read(listened, 10) == bytes([signal.SIGTERM])


def test_no_thread_and_no_descriptor_is_left(listened):
    def used() -> tuple[int, int]:
        descriptor = os.dup(listened)  # the first that is free
        os.close(descriptor)
        return threading.active_count(), descriptor

    before = used()
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt), interruption(within_time=True):
            signal.raise_signal(signal.SIGINT)
    assert used() == before


def test_a_library_is_not_watched():
    before = threading.active_count()
    with interruption():
        assert threading.active_count() == before


def test_a_forked_process_does_not_tell_its_parent(listened):
    with interruption(within_time=True):
        _watch_no_parent()
        signal.raise_signal(signal.SIGWINCH)
        assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize(
    ("times", "ago", "state", "overdue"),
    [
        (0, 1000, {}, False),
        (1, 1000, {}, True),
        (1, 0, {}, False),
        (1, 1000, {"hurried": False}, False),
        (1, 1000, {"since": 0}, False),
        (1, 1000, {"heeded": True}, False),
        (2, 1000, {"hurried": False}, True),
        (2, 0, {}, False),
        (2, 1000, {"heeded": True}, False),
    ],
)
def test_a_process_ends_only_where_its_main_thread_had_its_time(times, ago, state, overdue):
    asked, now = Interruption(), time.monotonic()
    for name, value in state.items():
        setattr(asked, name, now if name == "since" else value)
    assert Watchdog._is_overdue(SimpleNamespace(asked=asked, times=times, at=now - ago)) == overdue


def test_a_save_begins_the_time_anew_and_an_end_is_heeded():
    asked = Interruption()
    with asked.awaited():
        with asked.unhurried():
            assert not asked.hurried
        assert asked.since > 0
        assert not asked.heeded
        asked.number = signal.SIGTERM
    assert asked.heeded
