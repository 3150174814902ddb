"""Corpora of a run that hold what no reading of data writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from latentia.durable import MANIFEST, Manifest, read_manifest

Alteration = Callable[[Path], object]
"""Changes the file of a corpus in its place."""

LABELS = b"latentia.labels"
FAR = 2**30


def attacks() -> Iterator[tuple[str, str, Callable[[Path, Path], None]]]:
    """Yield a name, what is done with the run afterwards, and the attack."""
    for what, alter in ALTERATIONS.items():
        for use in ("run", "measured"):
            yield f"{what}, {use}", use, _in_run(alter)
    for use in ("run", "measured"):
        yield f"a pipe as a corpus that no manifest names, {use}", use, _unnamed


def _in_run(alter: Alteration) -> Callable[[Path, Path], None]:
    return lambda folder, _: alter(folder / "data" / "train.arrow") and None


def _unnamed(folder: Path, _: Path) -> None:
    path = folder / "data" / "train.arrow"
    path.unlink()
    os.mkfifo(path)
    files = {name: entry for name, entry in read_manifest(folder).files.items() if not name.startswith("data")}
    (folder / MANIFEST).write_bytes(Manifest(files).encode())


def _read(path: Path) -> tuple[Any, dict[bytes, bytes]]:
    with pa.OSFile(str(path)) as file:
        found = pa.ipc.open_file(file).get_batch_with_custom_metadata(0)
    return found.batch, dict(found.custom_metadata)


def _write(path: Path, batch: Any, metadata: dict[bytes, bytes] | None, compression: str | None = None) -> None:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch, custom_metadata=metadata)


def _with(**changes: Callable[[Any], Any]) -> Alteration:
    """Put other columns in the place of some."""

    def alter(path: Path) -> None:
        batch, metadata = _read(path)
        columns = {name: changes.get(name, lambda same: same)(batch.column(name)) for name in batch.schema.names}
        _write(path, pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns)), metadata)

    return alter


def _labelled(metadata: dict[bytes, bytes] | None, label: int = -1) -> Alteration:
    def alter(path: Path) -> None:
        _with(label=lambda old: pa.array([label] * len(old), pa.int32()))(path)
        _write(path, _read(path)[0], metadata)

    return alter


def _patched(column: str, change: Callable[[np.ndarray], np.ndarray]) -> Alteration:
    """Change the offsets of a column where they stand in the file: Arrow would not write such."""

    def alter(path: Path) -> None:
        batch, _ = _read(path)
        offsets = np.frombuffer(batch.column(column).buffers()[1], np.int32, batch.num_rows + 1)
        content = path.read_bytes()
        path.write_bytes(content.replace(offsets.tobytes(), change(offsets).astype(np.int32).tobytes()))

    return alter


def _patched_text(path: Path) -> None:
    text = _read(path)[0].column("text").buffers()[2].to_pybytes()
    path.write_bytes(path.read_bytes().replace(text[:16], b"\xff" * 16))


def _compressed(path: Path) -> None:
    _write(path, *_read(path), compression="zstd")


def _emptied(path: Path) -> None:
    batch, metadata = _read(path)
    _write(path, batch.slice(0, 0), metadata)


def _of_others(path: Path) -> None:
    _write(path, pa.RecordBatch.from_arrays([pa.array(["a"] * 40)], names=["tokens"]), _read(path)[1])


def _far(offsets: np.ndarray) -> np.ndarray:
    return np.concatenate([offsets[:1], np.linspace(FAR, 2 * FAR - 1, len(offsets) - 1)])


def _behind(offsets: np.ndarray) -> np.ndarray:
    return np.concatenate([offsets[:1], [-FAR], offsets[2:]])


def _large(tokens: Any) -> Any:
    return pa.ListArray.from_arrays(tokens.offsets, pa.array(np.full(len(tokens.values), 60_000, np.uint16)))


def _lost(column: Any) -> Any:
    return pa.nulls(len(column), column.type)


def _bare(tokens: Any) -> Any:
    return pa.ListArray.from_arrays(pa.array([0] * len(tokens) + [len(tokens.values)], pa.int32()), tokens.values)


def _long(tokens: Any) -> Any:
    rows = [[1] * 100_000, *tokens.to_pylist()[1:]]
    return pa.array(rows, tokens.type)


ALTERATIONS: dict[str, Alteration] = {
    **{f"{column} far away": _patched(column, _far) for column in ("text", "tokens")},
    **{f"{column} before the file": _patched(column, _behind) for column in ("text", "tokens")},
    **{f"no {column} at all": _with(**{column: _lost}) for column in ("tokens", "text", "words", "label", "key")},
    "texts that are no UTF-8": _patched_text,
    "other columns": _of_others,
    "compressed columns": _compressed,
    "no row": _emptied,
    "tokens beyond the vocabulary": _with(tokens=_large),
    "rows without tokens": _with(tokens=_bare),
    "a row that is too long": _with(tokens=_long),
    "rows without words": _with(words=lambda old: pa.array([0] * len(old), pa.int32())),
    "labels beyond the names": _labelled({LABELS: b'["x"]'}, 10**6),
    "labels without names": _labelled({LABELS: b"[]"}, 0),
    "names without labels": _labelled({LABELS: b'["x"]'}),
    "a name twice": _labelled({LABELS: b'["x", "x"]'}, 0),
    "names that are numbers": _labelled({LABELS: b"[1]"}, 0),
    "names that are no Unicode": _labelled({LABELS: b'["\\ud800"]'}, 0),
    "names that are one text": _labelled({LABELS: b'"xy"'}, 0),
    "names that nest 100,000 deep": _labelled({LABELS: b"[" * 100_000}, 0),
    "no names": _labelled(None),
    "names of another kind": _labelled({b"other": b"[]"}),
}
"""By name, files in the place of a corpus of one chunk."""
