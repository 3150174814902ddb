"""Folders and corpora whose types, numbers or lengths are none that anybody writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file

Attack = Callable[[Path, Path], None]

LENGTHS = ("x", [], {}, None, True, -1, 1.5, 10**30)
KINDS = (torch.float8_e4m3fn, torch.float8_e5m2, torch.bool, torch.complex64, torch.int64)
TRUNCATIONS = ({"max_length": 2, "stride": 2}, {"max_length": 0, "stride": 0}, {"max_length": 2**40, "stride": 0})
PROGRESS = (
    *({name: value} for name in ("step", "seconds", "epoch", "position") for value in ("1", -1, None, 10**400)),
    {"epoch": 0, "position": 4},
    {"position": 10**9},
    {"memory": []},
)
SPARSE = 2**31
LONGER = {"state.json": 2**22, "model.safetensors": 2**25, "optimizer.safetensors": 2**26}
"""Bytes that take a file of a checkpoint beyond what the run's model can have."""


def attacks() -> Iterator[tuple[str, str, Attack]]:
    """Yield a name, what is attacked, and the attack; what is ``sealed`` keeps its manifest."""
    for length in LENGTHS:
        yield f"a length of {length!s:.20} in a manifest", "sealed", _length(length)
    yield "weights longer than their manifest says", "sealed", _longer("model.safetensors")
    for name in ("evaluation.json", "metrics.jsonl"):
        yield f"{name} of two gigabytes of nothing", "run", _longer(name)
    for name, bytes_more in LONGER.items():
        yield f"{name} of a checkpoint with {bytes_more:,} bytes more", "run", _padded(name, bytes_more)
    for datasets in (5, None, "a", [[]]):
        yield f"datasets {datasets!r}", "folder", changed("config.json", datasets=datasets)
    yield from _of_weights()
    yield from _of_tokenizers()
    for changes in PROGRESS:
        yield f"progress {changes!s:.40}", "run", _progress(changes)
    yield from _of_tables()
    yield "a quote that is never closed", "corpus", _file("corpus.csv", b'text\na b\n"open\n' + b"c d\n" * 40_000)


def changed(name: str, **changes: object) -> Attack:
    """Replace keys of a JSON object."""

    def attack(folder: Path, _: Path) -> None:
        tree: dict[str, Any] = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(tree | changes))

    return attack


def _of_weights() -> Iterator[tuple[str, str, Attack]]:
    for kind in KINDS:
        yield f"weights of {kind}", "folder", _weights(lambda tensor, kind=kind: torch.zeros(tensor.shape).to(kind))
    yield (
        "weights too large to be held",
        "folder",
        _weights(lambda tensor: torch.full(tensor.shape, 1e300, dtype=torch.float64)),
    )


def _of_tokenizers() -> Iterator[tuple[str, str, Attack]]:
    for truncation in TRUNCATIONS:
        whole = {"direction": "Right", "strategy": "LongestFirst", **truncation}
        yield f"truncation {truncation}", "folder", changed("tokenizer.json", truncation=whole)
    padding = {"direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>"}
    yield "padding", "folder", changed("tokenizer.json", padding={"strategy": {"Fixed": 10**9}, **padding})
    charsmap = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    yield "a table of characters that is none", "folder", changed("tokenizer.json", normalizer=charsmap)
    yield "pieces of no length", "folder", changed("tokenizer.json", pre_tokenizer={"type": "FixedLength", "length": 0})
    stripped = {"type": "Strip", "content": "a", "start": 9, "stop": 9}
    yield "a decoder of too much", "folder", changed("tokenizer.json", decoder=stripped)
    yield "an id of a million", "folder", _numbered


def _of_tables() -> Iterator[tuple[str, str, Attack]]:
    texts = ["a b", "c d"]
    labels = {
        "far moments": pa.array([10**15] * 2, pa.timestamp("ms")),
        "moments of nowhere": pa.array([1] * 2, pa.timestamp("s", tz="Nowhere/None")),
        "far days": pa.array([2**31 - 1] * 2, pa.date32()),
        "long times": pa.array([2**62] * 2, pa.duration("s")),
        "lists": pa.array([["a"]] * 2),
        "no UTF-8": pa.array([b"\xff"] * 2).view(pa.string()),
    }
    for name, column in labels.items():
        yield f"labels of {name}", "corpus", _table({"text": texts, "label": column})
    rows = pa.array([0] * 4096, pa.int32())
    same = pa.DictionaryArray.from_arrays(rows, pa.array(["a b " * 225_000]))
    for stored in (True, False):
        yield f"one long text in 4,096 rows, {stored}", "corpus", _table({"text": same, "label": rows}, stored)
        yield f"one long label in 4,096 rows, {stored}", "corpus", _table({"text": rows.cast("string"), "label": same})


def _file(name: str, content: bytes) -> Attack:
    def attack(folder: Path, _: Path) -> None:
        (folder / name).write_bytes(content)

    return attack


def _table(columns: dict[str, Any], stored: bool = True) -> Attack:
    return lambda folder, _: pq.write_table(pa.table(columns), folder / "corpus.parquet", store_schema=stored)


def _length(value: object) -> Attack:
    def attack(folder: Path, _: Path) -> None:
        tree = json.loads((folder / "manifest.json").read_text())
        tree["files"]["config.json"]["bytes"] = value
        (folder / "manifest.json").write_text(json.dumps(tree))

    return attack


def _longer(name: str) -> Attack:
    def attack(folder: Path, _: Path) -> None:
        with (folder / name).open("ab") as file:
            file.truncate(SPARSE)

    return attack


def _padded(name: str, more: int) -> Attack:
    """Add blanks, which no reader of JSON minds, to a file of the newest checkpoint."""

    def attack(folder: Path, _: Path) -> None:
        with (max((folder / "checkpoints").glob("step-*")) / name).open("ab") as file:
            file.write(b" " * more)

    return attack


def _weights(change: Callable[[torch.Tensor], torch.Tensor]) -> Attack:
    def attack(folder: Path, _: Path) -> None:
        path = folder / "model.safetensors"
        save_file({name: change(tensor) for name, tensor in load_file(path).items()}, path)

    return attack


def _numbered(folder: Path, _: Path) -> None:
    tree = json.loads((folder / "tokenizer.json").read_text())
    tree["model"]["vocab"]["b"] = 10**6
    (folder / "tokenizer.json").write_text(json.dumps(tree))


def _progress(changes: dict[str, object]) -> Attack:
    def attack(folder: Path, _: Path) -> None:
        for path in (folder / "checkpoints").glob("step-*/state.json"):
            state = json.loads(path.read_text())
            path.write_text(json.dumps({**state, "progress": state["progress"] | changes}))

    return attack
