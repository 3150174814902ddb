"""The numbers of a run for TensorBoard."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from latentia.durable import append, make_folder
from latentia.errors import StorageError

BOARD = "tensorboard"
"""Folder of the event files."""


class Board:
    """An event file, in which a record stands as soon as it is written; a disk that takes none ends it, not the run.

    TensorBoard's own writer has a thread for that, whose errors come late and as tracebacks.

    Args:
        folder: The run folder.
        from_step: The step that the run stands after; TensorBoard drops later ones of event files before.
        tell: Hears once that no more is written.
    """

    def __init__(self, folder: Path, from_step: int, tell: Callable[[str], None]) -> None:
        """Begin an event file."""
        from tensorboard.compat.proto.event_pb2 import SessionLog  # imports half a second of protobuf

        # TensorBoard reads the files in the order of their names.
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self.path, self.tell, self.ended = folder / BOARD / name, tell, False
        self._guarded(lambda: make_folder(self.path.parent))
        self._write(file_version="brain.Event:2")
        self._write(step=from_step + 1, session_log=SessionLog(status=SessionLog.START))

    def write(self, split: str, record: Mapping[str, float]) -> None:
        """Write the numbers of a record, each under ``split/name``."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        names = [name for name in record if name not in ("step", "epoch")]
        values = [Summary.Value(tag=f"{split}/{name}", simple_value=record[name]) for name in names]
        self._write(step=int(record["step"]), summary=Summary(value=values))

    def _write(self, **event: Any) -> None:  # noqa: ANN401 - fields of a message of protobuf
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        framed = BytesIO()
        RecordWriter(framed).write(Event(wall_time=time.time(), **event).SerializeToString())
        self._guarded(lambda: append(self.path, framed.getvalue()))

    def _guarded(self, work: Callable[[], None]) -> None:
        if self.ended:
            return
        try:
            work()
        except StorageError as error:
            self.ended = True
            self.tell(f"{error.message}: training goes on without TensorBoard, metrics.jsonl has the same numbers")
