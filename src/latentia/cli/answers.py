"""What becomes of the answers of an operation: printed as they come, or written to a file; refusals apart."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np

from latentia.cli.console import print_line, remarks
from latentia.durable import stored
from latentia.errors import InputError
from latentia.operations import Refused, write
from latentia.operations.lines import Remarked

REFUSALS_SHOWN = 20


class Refusals:
    """Takes refusals out of answers: counts them, keeps the first few, and writes all to a file if one is named.

    Args:
        file: Gets a JSON object a refusal; none is written without a name.
    """

    def __init__(self, file: str = "") -> None:
        """Keep the name; the file is made with the first answer."""
        self._file, self._first, self._count, self._answered = file, list[Refused](), 0, 0

    def apart(self, answers: Iterable[object]) -> Iterator[object]:
        """Yield the answers.

        Raises:
            InputError: At the end, if all were refusals.
            StorageError: If the disk does not take the file.
        """
        with self._opened() as stream:
            for answer in answers:
                if not isinstance(answer, Refused):
                    self._answered += 1
                    yield answer
                    continue
                self._count += 1
                self._first += [answer] if self._count <= REFUSALS_SHOWN else []
                if stream:
                    stream.write(_as_json(answer) + "\n")
        if not self._answered:
            self.require_none()

    @contextmanager
    def _opened(self) -> Iterator[TextIO | None]:
        if not self._file:
            yield None
            return
        with stored(Path(self._file)), Path(self._file).open("w", encoding="utf-8") as stream:
            yield stream

    def require_none(self) -> None:
        """Show what was refused.

        Raises:
            InputError: If anything was.
        """
        if self._count == 1 and not self._answered:
            raise self._first[0].as_error()
        for each in self._first:
            remarks.print(str(each), markup=False)
        if more := self._count - len(self._first):
            remarks.print(f"and {more:,} more; {self._file or '--refused FILE'} has all", markup=False)
        if self._count:
            texts, them = ("1 text", "it") if self._count == 1 else (f"{self._count:,} texts", "them")
            raise InputError(f"{texts} got no answer", f"mend or remove {them}")


def print_answers(answers: Iterator[object], as_json: bool, refusals: Refusals) -> None:
    """Print answers as they come.

    Raises:
        InputError: At the end, if there was any refusal.
    """
    for answer in refusals.apart(answers):
        print_line(_as_json(answer) if as_json else str(answer))
    _remark(answers)
    refusals.require_none()


def save_answers(answers: Iterator[object], path: Path, overwrite: bool, refusals: Refusals) -> None:
    """Write answers to a file.

    Raises:
        InputError: If the file cannot be written; or at the end, if there was any refusal.
    """
    written = write(refusals.apart(answers), path, overwrite=overwrite)
    for aside in written.asides:
        remarks.print(aside.remark(), markup=False)
    rows = "1 row" if written.rows == 1 else f"{written.rows:,} rows"
    remarks.print(f"{rows} in {path}", markup=False)
    _remark(answers)
    refusals.require_none()


def _remark(answers: Iterator[object]) -> None:
    """Say what there is to say once the last answer is given."""
    for remark in answers.remarks() if isinstance(answers, Remarked) else ():
        remarks.print(remark, markup=False)


def _as_json(answer: object) -> str:
    fields = dataclasses.asdict(answer) if dataclasses.is_dataclass(answer) else {"text": answer}  # type: ignore[arg-type]
    return json.dumps(fields, ensure_ascii=False, default=_listed)


def _listed(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
