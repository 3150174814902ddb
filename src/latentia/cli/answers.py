"""What becomes of the answers of an operation: printed as they come, or written to a file; refusals apart."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from latentia.cli.console import print_line, remarks
from latentia.errors import InputError
from latentia.operations import Refused, write
from latentia.operations.lines import Remarked

REFUSALS_SHOWN = 20


def print_answers(answers: Iterator[object], as_json: bool) -> None:
    """Print answers as they come.

    Raises:
        InputError: At the end, if there was any refusal.
    """
    refused, done = [], 0
    for answer in answers:
        if isinstance(answer, Refused):
            refused.append(answer)
        else:
            done += 1
            print_line(_as_json(answer) if as_json else str(answer))
    _remark(answers)
    _require_all(refused, done)


def save_answers(answers: Iterator[object], path: Path, overwrite: bool) -> None:
    """Write answers to a file.

    Raises:
        InputError: If the file cannot be written; or at the end, if there was any refusal.
    """
    written = write(answers, path, overwrite=overwrite)
    for aside in written.asides:
        remarks.print(aside.remark(), markup=False)
    remarks.print(f"{written.rows:,} rows in {path}", markup=False)
    _remark(answers)
    _require_all(list(written.refused), written.rows)


def _remark(answers: Iterator[object]) -> None:
    """Say what there is to say once the last answer is given."""
    for remark in answers.remarks() if isinstance(answers, Remarked) else ():
        remarks.print(remark, markup=False)


def _require_all(refused: list[Refused], done: int) -> None:
    """Show what was refused.

    Raises:
        InputError: If anything was.
    """
    if len(refused) == 1 and not done:
        raise refused[0].as_error()
    for each in refused[:REFUSALS_SHOWN]:
        remarks.print(str(each), markup=False)
    if refused:
        texts = "1 text" if len(refused) == 1 else f"{len(refused):,} texts"
        raise InputError(f"{texts} got no answer", "mend or remove them")


def _as_json(answer: object) -> str:
    fields = dataclasses.asdict(answer) if dataclasses.is_dataclass(answer) else {"text": answer}  # type: ignore[arg-type]
    return json.dumps(fields, ensure_ascii=False, default=_listed)


def _listed(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
