"""Artefacts made to do harm: each is opened in a child in which everything forbidden is noted."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latentia.cli import main
from latentia.durable import vouch
from latentia.recipes.runs import load
from tests.chaos import arrow, shapes
from tests.chaos.children import Child, Outcome
from tests.chaos.damage import copied
from tests.chaos.endings import ending_of
from tests.chaos.faults import Fault
from tests.chaos.report import Tally
from tests.chaos.training import start
from tests.vouching import revouch

FORBIDDEN = {
    "pickle.find_class",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.connect",
    "socket.getaddrinfo",
    "shutil.unpack_archive",
    "ctypes.dlopen",
}
MEETING, MET = ("open", "os.remove", "os.rename"), "MET "
"""What is done to a path when it is met, and how that is told."""

ADDRESS_SPACE = 16 * 2**30
LONGEST = 60.0
FEWEST = 100
"""Artefacts that are opened at the least, when each is."""

PASSED_ON = ("model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json", "evaluation.json")
SECRET = "the words of a secret file"

Attack = Callable[[Path, Path], None]
"""Changes a folder; the second path is where a canary would sing."""


class Payload:
    """What would touch the canary if it were unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


def pickles(canary: Path) -> dict[str, bytes]:
    """The same payload in the formats that are unpickled elsewhere."""
    import pickle  # noqa: TID251 - the weapon, not a tool

    archive, array = io.BytesIO(), io.BytesIO()
    torch.save({"weights": Payload(canary)}, archive)  # noqa: TID251 - the weapon, not a tool
    np.save(array, np.array([Payload(canary)], dtype=object), allow_pickle=True)
    plain = pickle.dumps(Payload(canary))
    return {"a pickle": plain, "a torch archive": archive.getvalue(), "an array of objects": array.getvalue()}


def headers() -> dict[str, bytes]:
    """Safetensors files whose header lies."""

    def file(header: object, data: bytes = b"\0" * 16, length: int = -1) -> bytes:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return (len(text) if length < 0 else length).to_bytes(8, "little") + text + data

    def one(**changes: object) -> dict[str, object]:
        return {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16], **changes}}

    twice = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    return {
        "a header of 2^63 bytes": file(one(), length=2**63),
        "a header of 2^64-1 bytes": file(one(), length=2**64 - 1),
        "a header of 100 MB": file(b" " * 100_000_000, b""),
        "a header of 17 MB of names": file({f"{n:09}": one()["a"] for n in range(200_000)}),
        "a header longer than the file": file(one(), length=10_000),
        "an empty header": file(b"", b""),
        "a header that is no object": file([1, 2]),
        "a header that nests 100,000 deep": file(b"[" * 100_000),
        "a header that is not UTF-8": file(b"\xff\xfe"),
        "offsets past the end": file(one(data_offsets=[0, 1600], shape=[400])),
        "negative offsets": file(one(data_offsets=[-8, 8])),
        "offsets that overlap": file({**twice, "b": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}),
        "offsets with a hole": file({**twice, "b": {"dtype": "F32", "shape": [1], "data_offsets": [12, 16]}}),
        "bytes behind the last tensor": file(one(), b"\0" * 400),
        "a shape that overflows": file(one(shape=[2**32, 2**32, 4])),
        "a negative shape": file(one(shape=[-4])),
        "a shape of 1,000 dimensions": file(one(shape=[1] * 1000 + [4])),
        "an unknown type": file(one(dtype="PICKLE")),
        "a type that is a path": file(one(dtype="../../etc/passwd")),
        "no byte at all": b"",
        "seven bytes": b"\0" * 7,
    }


def settings() -> dict[str, tuple[tuple[str, ...], object]]:
    """Values in a recipe that mean code, paths or endless work elsewhere: where they stand, and what they are."""
    kinds = ["os.system", "builtins.eval", "torch.load", "subprocess.Popen", "../evil", "/etc/passwd", "__import__"]
    kinds += [
        "LSTMEncoder\0",
        "LS\u0422MEncoder",
        "${oc.env:HOME}",
        "{{ 7*7 }}",
        "__class__",
        "!!python/name:os.system",
        "",
    ]
    named = {f"kind {kind!r}": (("model", "encoder", "kind"), kind) for kind in kinds}
    keys = ["_target_", "_class_path", "_instantiator", "auto_map", "__reduce__", "__init__", "target", "class_path"]
    named |= {f"key {key}": (("model", "encoder", key), "os.system") for key in keys}
    sizes = [10**9, 10**12, 2**63, 10**400, -1, 0, 1.5, "1e9", True, None, [1], {"a": 1}, float("inf")]
    named |= {f"size {size!r:.20}": (("model", "latent_dim"), size) for size in sizes}
    named |= {f"hidden size {size}": (("model", "encoder", "hidden_dim"), size) for size in (10**7, 10**10)}
    named["a hundred thousand keys"] = (("model",), {f"key{n}": n for n in range(100_000)})
    named["a recipe that nests 400 deep"] = (("model",), _nested(400))
    refined = {key: {"kind": "GradientRefinement", key: 2 * 10**8} for key in ("steps", "draws")}
    named |= {f"{key} without end": (("model", "refinement"), node) for key, node in refined.items()}
    named["a text of a million million tokens"] = (("data", "max_tokens"), 2**62)
    named["a schedule that is a list"] = (("objective", "weight"), [[[]]])
    return named


def _nested(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for _ in range(depth):
        tree = {"model": tree}
    return tree


RECIPES = {
    "a tag of Python": "model: !!python/object/apply:os.system ['touch {canary}']\n",
    "a tag of a new object": "model: !!python/object/new:os.system ['touch {canary}']\n",
    "a tag of a name": "about: !!python/name:os.system\n",
    "a tag of a module": "about: !!python/module:hostile\n",
    "an unknown tag": "about: !evil x\n",
    "aliases of aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "an alias of itself": "model: &a [*a]\n",
    "a file that it extends": "extends: ../../etc/passwd\n",
    "an address that it extends": "extends: http://127.0.0.1/x\n",
    "brackets without end": "[" * 200_000,
    "a megabyte of a key": "k" * 2**20 + ": 1\n",
    "a number of 100,000 digits": f"model: {'9' * 100_000}\n",
    "documents one after another": "---\na: 1\n---\nb: 2\n",
    "control characters": "model: \x01\x02\n",
}
"""Texts in the place of a recipe."""


def attacks(canary: Path) -> Iterator[tuple[str, str, Attack]]:
    """Yield a name, what it is done to, and what is done; manifests, but of what is sealed, are made to agree."""
    for name in PASSED_ON:
        for what, content in pickles(canary).items():
            yield f"{what} as {name}", "folder", _content(name, content)
    for what, content in headers().items():
        yield what, "folder", _content("model.safetensors", content)
        yield f"{what}, in a checkpoint", "run", _content("checkpoints/newest/optimizer.safetensors", content)
    for what, (path, value) in settings().items():
        yield what, "folder", _setting(path, value)
    for what, text in RECIPES.items():
        yield what, "run", _content("recipe.yaml", text.replace("{canary}", str(canary)).encode())
    yield from _places()
    yield from _others()
    yield from shapes.attacks()
    yield from arrow.attacks()


def _places() -> Iterator[tuple[str, str, Attack]]:
    """Pipes, devices, folders and links in the place of files."""
    for name in ("model.safetensors", "evaluation.json", "manifest.json", "config.json", "tokenizer.json"):
        yield f"a pipe as {name}", "folder", _made(name, os.mkfifo)
        yield f"an endless device as {name}", "folder", _made(name, lambda path: path.symlink_to("/dev/zero"))
        yield f"a folder as {name}", "folder", _made(name, Path.mkdir)
        yield f"a link to a secret as {name}", "folder", _made(name, _link_to_secret)
    for name in ("run.lock", "metrics.jsonl", "manifest.json", "checkpoints/newest/state.json", "recipe.yaml"):
        yield f"a link to a secret as {name}", "run", _made(name, _link_to_secret)
        yield f"a pipe as {name}", "run", _made(name, os.mkfifo)
    yield "a link of leftovers", "run", _made(".model.safetensors.tmp", _link_to_secret)
    yield "checkpoints that lie elsewhere", "run", _checkpoints_elsewhere


def _others() -> Iterator[tuple[str, str, Attack]]:
    """Files whose content is hostile in its own way."""
    deep = b"[" * 100_000
    for name in ("evaluation.json", "tokenizer.json", "config.json", "manifest.json", "tokenizer_config.json"):
        yield f"{name} that nests 100,000 deep", "folder", _content(name, deep)
        yield f"{name} of NUL", "folder", _content(name, b"\0" * 1000)
    for name in ("evaluation.json", "metrics.jsonl", "run.json"):
        yield f"{name} of a run that nests 100,000 deep", "run", _content(name, deep)
        yield f"{name} of a run that is not UTF-8", "run", _content(name, b"\xff\xfe{")
    for value in ('"../../secret"', '"/etc/passwd"', '{"../x": {"bytes": 1, "sha256": ""}}', "[]", "1", "null"):
        text = f'{{"format": 2, "files": {value}, "before": {{}}, "seal": ""}}'
        yield f"a manifest of {value}", "folder", _content("manifest.json", text.encode())
    yield "a tokenizer of another format", "folder", _content("tokenizer.json", b'{"version": "1.0", "model": null}')
    yield "a tokenizer with another vocabulary", "folder", _vocabulary
    yield "numbers that are none", "folder", _poisoned
    yield "a gzip bomb of lines", "corpus", _bomb(b"a b c\n" * 2**20)
    yield "a gzip bomb of one line", "corpus", _bomb(b"\0" * 2**22)
    yield "a gzip file that is cut short", "corpus", _cut_short


def _content(name: str, content: bytes) -> Attack:
    def attack(folder: Path, _: Path) -> None:
        path = _place(folder, name)
        path.unlink(missing_ok=True)
        path.write_bytes(content)

    return attack


def _made(name: str, make: Callable[[Path], object]) -> Attack:
    def attack(folder: Path, _: Path) -> None:
        path = _place(folder, name)
        path.unlink(missing_ok=True)
        make(path)

    return attack


def _place(folder: Path, name: str) -> Path:
    newest = max((folder / "checkpoints").glob("step-*"), default=folder)
    return folder / name.replace("checkpoints/newest", str(newest))


def _link_to_secret(path: Path) -> None:
    path.symlink_to(next(parent for parent in path.parents if (parent / "secret").exists()) / "secret")


def _setting(path: tuple[str, ...], value: object) -> Attack:
    def attack(folder: Path, _: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        node = config["recipe"]
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value
        (folder / "config.json").write_text(json.dumps(config))

    return attack


def _checkpoints_elsewhere(folder: Path, _: Path) -> None:
    (folder / "checkpoints").rename(folder.parent / "elsewhere")
    (folder / "checkpoints").symlink_to("../elsewhere")


def _vocabulary(folder: Path, _: Path) -> None:
    path = folder / "tokenizer.json"
    tree = json.loads(path.read_text())
    tree["model"]["vocab"] |= {f"new{n}": len(tree["model"]["vocab"]) + n for n in range(50_000)}
    path.write_text(json.dumps(tree))


def _poisoned(folder: Path, _: Path) -> None:
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-64] + b"\xff" * 64)


def _bomb(piece: bytes) -> Attack:
    def attack(folder: Path, _: Path) -> None:
        with gzip.open(folder / "corpus.txt.gz", "wb", compresslevel=9) as file:
            for _ in range(40):
                file.write(piece)

    return attack


def _cut_short(folder: Path, _: Path) -> None:
    content = gzip.compress(b"a b c\n" * 1000)
    (folder / "corpus.txt.gz").write_bytes(content[: len(content) // 2])


def tally(home: Path, every: int = 1) -> Iterator[Tally]:
    """Open each hostile artefact: it ends as is documented, and nothing runs, hangs, or is written elsewhere."""
    counts = Tally("hostile artefacts opened", FEWEST // every)
    victims = _victims(home)
    canary = home / "canary"
    for number, (name, kind, attack) in enumerate(attacks(canary)):
        if number % every == 0:
            wrong, fired = opened(home, (name, kind, attack), victims[kind], canary)
            counts.add(wrong, fired=fired)
    counts.note = "nothing executed" if counts.good else ""
    yield counts


def _victims(home: Path) -> dict[str, Path]:
    (home / "secret").write_text(SECRET)
    run, folder, corpus = home / "victim run", home / "victim folder", home / "victim corpus"
    start(home, "plain", run)
    load(run).save_pretrained(folder)
    (folder / "evaluation.json").write_text("{}")
    vouch(folder, ["evaluation.json"])
    load(folder)  # What is refused before anything was done to it would be refused for no reason.
    corpus.mkdir()
    return {"run": run, "measured": run, "folder": folder, "sealed": folder, "corpus": corpus}


def opened(home: Path, attack: tuple[str, str, Attack], source: Path, canary: Path) -> tuple[str, bool]:
    """Attack a copy of a folder and use it; say what is wrong, and whether the artefact was met.

    It was if it is there, and if it was opened, moved or removed, or refused: what is not attacked is not refused.
    """
    name, kind, change = attack
    folder = copied(source, home / "opened")
    shutil.rmtree(home / "elsewhere", ignore_errors=True)
    before = _states(folder)
    change(folder, canary)
    touched = {path for path, _ in before ^ _states(folder)}
    if kind != "sealed":
        _deceive(folder)
    outcome = Child(lambda: _use(folder, kind), folder, Fault(), home, ADDRESS_SPACE).wait(LONGEST)
    told = outcome.said.splitlines()
    met = {line.removeprefix(MET) for line in told if line.startswith(MET)}
    said = "\n".join(line for line in told if not line.startswith(MET))
    wrong = _executed(home, canary, outcome, said)
    if touched and not wrong:
        wrong = ending_of(name, kind, touched).missed_by(outcome, said, touched)
    return wrong and f"{name}: {wrong}", bool(touched) and (bool(touched & met) or outcome.code != 0)


def _states(folder: Path) -> set[tuple[str, tuple[int, ...]]]:
    """What is there, and of which kind, length and time; times of folders tell nothing."""
    states = {str(path): path.lstat() for path in folder.rglob("*")}
    return {
        (path, (each.st_mode, each.st_ino, *(() if stat.S_ISDIR(each.st_mode) else (each.st_size, each.st_mtime_ns))))
        for path, each in states.items()
    }


def _executed(home: Path, canary: Path, outcome: Outcome, said: str) -> str:
    if canary.exists() or (home / "secret").read_text() != SECRET:
        canary.unlink(missing_ok=True)
        (home / "secret").write_text(SECRET)
        return "executed, or wrote elsewhere"
    if outcome.code == -signal.SIGKILL:
        return "hung"
    return f"exit code {outcome.code}, {said[-400:]}" if "FORBIDDEN" in said else ""


def _deceive(folder: Path) -> None:
    """Let all manifests agree with what is there, so that what is behind them is met."""
    if not (folder / "manifest.json").is_file() or (folder / "manifest.json").is_symlink():
        return
    for path in folder.rglob("manifest.json"):
        try:
            revouch(path.parent)
        except Exception:  # noqa: BLE001 - the manifest itself is the attack
            continue


def _use(folder: Path, kind: str) -> None:
    """Do with a folder what its finder would, noting what must not happen."""
    sys.addaudithook(_note)
    if kind == "measured":
        sys.argv = ["latentia", "diagnose", str(folder)]
        main()
    elif (folder / "config.json").exists():
        space = load(folder)
        list(space.sample(2, seed=0))
        space.encode(["a b"])
    elif (folder / "run.json").exists():
        load(folder).encode(["a b"])
        sys.argv = ["latentia", "train", "--resume", str(folder)]
        main()
    else:
        (corpus,) = folder.iterdir()
        sets = ["--set", "training.max_steps=1", "--set", "training.precision=float32"]
        sets += ["--label", "label"] if corpus.suffix == ".parquet" else []
        sys.argv = ["latentia", "train", str(corpus), "--out", str(folder.parent / "never"), *sets]
        main()


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    imported = event == "import" and str(arguments[0]).startswith("hostile")
    if event in FORBIDDEN or imported:
        sys.stderr.write(f"FORBIDDEN {event} {arguments!r:.200}\n")
    if event in MEETING:
        paths = (each for each in arguments[:2] if isinstance(each, str | os.PathLike))
        sys.stderr.writelines(f"{MET}{os.fspath(each)}\n" for each in paths)
