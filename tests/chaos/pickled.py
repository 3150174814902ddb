"""Pickles in every format that is unpickled elsewhere, in every place that is read here."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tests.chaos.placing import Attack, content

PASSED_ON = ("model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json", "evaluation.json")
IN_RUN = (
    "recipe.yaml",
    "run.json",
    "metrics.jsonl",
    "checkpoints/newest/model.safetensors",
    "checkpoints/newest/optimizer.safetensors",
    "checkpoints/newest/state.json",
    "data/train.arrow",
)
AS_CORPUS = ("corpus.parquet", "corpus.txt.gz", "corpus.parquet.gz")
AS_CODES = ("codes.npy", "codes.parquet")


class Payload:
    """What would touch the canary if it were unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


def _dumped(payload: object, protocol: int = 4) -> bytes:
    import pickle  # noqa: TID251 - the weapon, not a tool

    return pickle.dumps(payload, protocol)


def _saved(payload: object, archive: bool) -> bytes:
    file = io.BytesIO()
    torch.save(payload, file, _use_new_zipfile_serialization=archive)  # noqa: TID251 - the weapon, not a tool
    return file.getvalue()


def _array(payload: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([payload], dtype=object), allow_pickle=True)
    return file.getvalue()


def _arrays(payload: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, weights=np.array([payload], dtype=object))
    return file.getvalue()


def _behind_a_header(payload: object) -> bytes:
    """A safetensors file whose tensor is a pickle, which is its metadata too."""
    data = _dumped(payload, 0)
    header = '{"__metadata__":{"pickle":"%s"},"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}'
    text = (header % (data.hex(), len(data), len(data))).encode()
    return len(text).to_bytes(8, "little") + text + data


def _extended(payload: object) -> Any:
    """A table with a column of a type that names a pickle, which `pyarrow` before 14.0.1 opened."""
    names = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": _dumped(payload)}
    return pa.table([pa.array(["a b"])], schema=pa.schema([pa.field("text", pa.string(), metadata=names)]))


def _extended_parquet(payload: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(_extended(payload), file)
    return file.getvalue()


def _extended_arrow(payload: object) -> bytes:
    file, table = io.BytesIO(), _extended(payload)
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


FORMATS: dict[str, Callable[[object], bytes]] = {
    "a pickle": _dumped,
    "a pickle of protocol 0": lambda payload: _dumped(payload, 0),
    "a nested pickle": lambda payload: _dumped({"state": [(payload, {"deep": [payload]})]}),
    "a pickle in a pickle": lambda payload: _dumped({"inner": _dumped(payload), "outer": payload}),
    "a torch archive": lambda payload: _saved({"weights": payload}, archive=True),
    "a torch file of old": lambda payload: _saved({"weights": payload}, archive=False),
    "an array of objects": _array,
    "an archive of arrays": _arrays,
    "a compressed pickle": lambda payload: gzip.compress(_dumped(payload)),
    "a pickle as joblib writes it": lambda payload: zlib.compress(_dumped([np.zeros(3), payload])),
    "metadata of a distributed checkpoint": lambda payload: _dumped(
        {"state_dict_metadata": {}, "planner_data": payload}, 5
    ),
    "a pickle behind a header": _behind_a_header,
    "Parquet with a pickled type": _extended_parquet,
    "Arrow with a pickled type": _extended_arrow,
}


def attacks(canary: Path) -> Iterator[tuple[str, str, Attack]]:
    """Yield each format in each place of a folder, and those of other places that are met there."""
    payloads = {what: make(Payload(canary)) for what, make in FORMATS.items()}
    general = [what for what in payloads if "type" not in what]
    for name in PASSED_ON:
        yield from ((f"{what} as {name}", "folder", content(name, payloads[what])) for what in general)
    for name in IN_RUN:
        yield from ((f"{what} as {name}", "run", content(name, payloads[what])) for what in general[::4])
    yield from _of_tables(payloads)


def _of_tables(payloads: dict[str, bytes]) -> Iterator[tuple[str, str, Attack]]:
    for name in AS_CORPUS:
        yield f"a pickle as {name}", "corpus", content(name, payloads["a pickle"])
    parquet, arrow = "Parquet with a pickled type", "Arrow with a pickled type"
    yield f"{parquet} as a corpus", "corpus", content("corpus.parquet", payloads[parquet])
    for use in ("run", "measured"):
        yield f"{arrow} as data/train.arrow, {use}", use, content("data/train.arrow", payloads[arrow])
    for name in AS_CODES:
        for what in ("a pickle", "an array of objects", "an archive of arrays", parquet):
            yield f"{what} as {name}", "codes", content(name, payloads[what])
