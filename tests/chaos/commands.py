"""Random files of every format through the commands, in the order in which a user calls them."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from latentia.cli import main
from latentia.data import Tokenizer
from latentia.shapes import UNK
from tests.chaos.evidence import opened
from tests.chaos.files import files_of
from tests.chaos.ledger import Ledger, ledger
from tests.chaos.report import Tally
from tests.chaos.training import SMALL
from tests.chaos.tries import tried

FORMATS = ("txt", "jsonl", "csv", "tsv", "parquet", "txt.gz", "jsonl.gz", "csv.gz", "tsv.gz", "parquet.gz")
MOST = 40
"""Tokens of the longest text that is used."""

LINES = 8
"""Lines of the shortest file: most are enough to train on."""

REFUSED, FOUND = 2, 3
"""Exit codes of what is refused, and of ``diagnose`` that found something."""

SETTINGS = {**dict(SMALL), "training.max_steps": 2, "data.max_tokens": MOST}
SETS = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={json.dumps(value)}")]


class WrongError(Exception):
    """A command did what it may not."""


def commanded(home: Path, count: int, seed: int) -> Tally:
    """Take random files of each format, equally many, through all commands."""
    counts, done = Tally("random corpora, every command", count - count % len(FORMATS)), dict.fromkeys(FORMATS, 0)
    for suffix in FORMATS:
        _of_format(home, suffix, max(1, count // len(FORMATS)), seed, counts, done)
    counts.note = f"{sum(done.values())} to the end, of {sum(map(bool, done.values()))} formats; the others refused"
    return counts


def _of_format(home: Path, suffix: str, count: int, seed: int, counts: Tally, done: dict[str, int]) -> None:
    @tried(count)
    @given(files_of(suffix, LINES), st.sampled_from(["", "label"]))
    def each(case: tuple[bytes, str], label: str) -> None:
        folder = home / "commanded"
        folder.mkdir()
        content, wrong = gzip.compress(case[0]) if suffix.endswith("gz") else case[0], ""
        path = folder / f"random.{suffix}"
        path.write_bytes(content)
        with opened() as met:
            try:
                done[suffix] += _walk(path, content, suffix, label if "txt" not in suffix else "")
            except WrongError as error:
                wrong = f"{error}: {suffix} {label} {case[0]!r}"
        counts.add(wrong, fired=str(path) in met)
        shutil.rmtree(folder)

    each._hypothesis_internal_use_seed = seed
    each()


def _walk(path: Path, content: bytes, suffix: str, label: str) -> bool:
    """Train on a file, and do with the run what can be done; tell whether it was trained on."""
    folder, run = path.parent, path.parent / "run"
    expected = ledger(content, suffix, label)
    columns = ["--label", label] if label else []
    if _called("train", path, "--out", run, *SETS, *columns, codes=(0, REFUSED)):
        _require(len({text for text in expected.texts if len(text.split()) <= MOST}) < 2, "train: refused")
        return False
    tokenizer = Tokenizer.load(run)
    _require_counted(run, expected.cut_to(tokenizer, MOST))
    _called("evaluate", run, "--data", path, "--samples", 2, *columns)
    _called("diagnose", run, "--data", path, codes=(0, FOUND))
    _called("compare", run)
    _called("report", run, "--out", folder / "report.html")
    for name in ("encode", "score"):
        _require_answered(name, run, path, ledger(content, suffix), tokenizer)
    _called("decode", run, folder / "encode.parquet")
    _called("export", run, folder / "out")
    _called("sample", folder / "out", "-n", 2)
    return True


def _require_counted(run: Path, expected: Ledger) -> None:
    """Compare the account that training wrote with what is there."""
    told = json.loads((run / "data" / "train.json").read_text())
    found = (told["read"], told["used"], told["left_out"])
    wanted = (expected.lines, len(expected.texts), dict(expected.left_out))
    _require(found == wanted, f"train: {found} was told, and {wanted} is there")


def _require_answered(name: str, run: Path, path: Path, expected: Ledger, tokenizer: Tokenizer) -> None:
    """Every line of a file has an answer or a refusal."""
    answers, refusals = run.parent / f"{name}.parquet", run.parent / f"{name}.jsonl"
    ids = tokenizer.encode_batch(expected.texts)
    known = [text for text, row in zip(expected.texts, ids, strict=True) if len(row) <= MOST and {*row} != {UNK}]
    refused = expected.lines - len(known)
    _called(name, run, path, "--out", answers, "--refused", refusals, codes=(REFUSED if refused else 0,))
    told = len(refusals.read_text().splitlines()) if refusals.exists() else 0
    _require(told == refused, f"{name}: {told} lines were refused, and {refused} cannot be read")
    texts = pq.read_table(answers)["text"].to_pylist()
    _require(texts == known, f"{name}: answers to {texts!r}, and {known!r} is there")


def _require(holds: bool, wrong: str) -> None:
    if not holds:
        raise WrongError(wrong)


@contextmanager
def _hearing(said: io.StringIO) -> Iterator[None]:
    with redirect_stdout(said), redirect_stderr(said):
        yield


def _called(command: str, *words: object, codes: tuple[int, ...] = (0,)) -> int:
    """Call a command as a shell does.

    Raises:
        WrongError: If it ends with another exit code, or with an error of no type.
    """
    said = io.StringIO()
    try:
        with patch.object(sys, "argv", ["latentia", command, *map(str, words)]), _hearing(said):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    except Exception:  # noqa: BLE001 - whatever it is, it is told
        raise WrongError(f"{command}: {traceback.format_exc()[-600:]}") from None
    _require(code in codes, f"{command}: exit code {code}: {said.getvalue()[-300:]}")
    return code
