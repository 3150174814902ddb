"""Artefacts made to do harm: each is opened in a child in which everything forbidden is noted."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from latentia.cli import main
from latentia.durable import vouch
from latentia.recipes.runs import load
from tests.chaos import arrow, injections, pickled, shapes, swaps
from tests.chaos.children import Child, Outcome
from tests.chaos.damage import copied
from tests.chaos.endings import ending_of
from tests.chaos.faults import Fault
from tests.chaos.placing import Attack, content
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
PICKLES, INJECTIONS, SWAPS, FEWEST = 40, 60, 60, 100
"""Artefacts of each class that are opened at the least, when each is."""

SECRET = "the words of a secret file"


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


def groups(canary: Path) -> dict[str, tuple[int, Iterator[tuple[str, str, Attack]]]]:
    """Return the classes of artefacts, how many each has at the least, and them: name, what is attacked, attack.

    Manifests, but of what is sealed, are made to agree.
    """
    return {
        "pickles in any place": (PICKLES, pickled.attacks(canary)),
        "recipes that mean code": (INJECTIONS, injections.attacks(canary)),
        "paths, tokenizers, poisoned numbers": (SWAPS, swaps.attacks()),
        "other hostile artefacts": (FEWEST, chain(_headers(), _others(), shapes.attacks(), arrow.attacks())),
    }


def attacks(canary: Path) -> Iterator[tuple[str, str, Attack]]:
    """Yield them all."""
    return chain.from_iterable(found for _, found in groups(canary).values())


def _headers() -> Iterator[tuple[str, str, Attack]]:
    for what, file in headers().items():
        yield what, "folder", content("model.safetensors", file)
        yield f"{what}, in a checkpoint", "run", content("checkpoints/newest/optimizer.safetensors", file)


def _others() -> Iterator[tuple[str, str, Attack]]:
    """Files whose content is hostile in its own way."""
    deep = b"[" * 100_000
    for name in ("evaluation.json", "tokenizer.json", "config.json", "manifest.json", "tokenizer_config.json"):
        yield f"{name} that nests 100,000 deep", "folder", content(name, deep)
        yield f"{name} of NUL", "folder", content(name, b"\0" * 1000)
    for name in ("evaluation.json", "metrics.jsonl", "run.json"):
        yield f"{name} of a run that nests 100,000 deep", "run", content(name, deep)
        yield f"{name} of a run that is not UTF-8", "run", content(name, b"\xff\xfe{")
    yield "numbers that are none", "folder", _poisoned
    yield "a gzip bomb of lines", "corpus", _bomb(b"a b c\n" * 2**20)
    yield "a gzip bomb of one line", "corpus", _bomb(b"\0" * 2**22)
    yield "a gzip file that is cut short", "corpus", _cut_short


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
    victims, canary = _victims(home), home / "canary"
    for title, (least, found) in groups(canary).items():
        counts = Tally(title, least // every)
        for name, kind, attack in islice(found, 0, None, every):
            wrong, fired = opened(home, (name, kind, attack), victims[kind], canary)
            counts.add(wrong, fired=fired)
        counts.note = "nothing executed" if counts.good else ""
        yield counts


def _victims(home: Path) -> dict[str, Path]:
    (home / "secret").write_text(SECRET)
    run, folder, corpus, said, codes = (home / f"victim {name}" for name in ("run", "folder", "corpus", "set", "codes"))
    start(home, "plain", run)
    load(run).save_pretrained(folder)
    (folder / "evaluation.json").write_text("{}")
    vouch(folder, ["evaluation.json"])
    load(folder)  # What is refused before anything was done to it would be refused for no reason.
    for place in (corpus, said, codes):
        place.mkdir()
    (said / "texts.txt").write_bytes((home / "texts.txt").read_bytes())
    shutil.copytree(folder, codes / "model")
    runs, folders = ("run", "sealed run", "measured"), ("folder", "sealed", "served")
    own = {"corpus": corpus, "set": said, "codes": codes}
    return {**dict.fromkeys(runs, run), **dict.fromkeys(folders, folder), **own}


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
    if not kind.startswith("sealed"):
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
    USES[kind](folder)


def _say(*words: str) -> None:
    sys.argv = ["latentia", *words]
    main()


def _open(folder: Path) -> None:
    space = load(folder)
    list(space.sample(2, seed=0))
    space.encode(["a b"])


def _go_on(folder: Path) -> None:
    load(folder).encode(["a b"])
    _say("train", "--resume", str(folder))


def _train(folder: Path) -> None:
    corpus = min(folder.iterdir(), key=lambda path: path.name == "set")
    said = folder / "set"
    sets = ["--set", said.read_text()] if said.exists() else []
    labels = ["--label", "label"] if corpus.suffix == ".parquet" else []
    _say("train", str(corpus), "--out", str(folder.parent / "never"), *ONE_STEP, *sets, *labels)


def _decode(folder: Path) -> None:
    (codes,) = folder.glob("codes.*")
    _say("decode", str(folder / "model"), str(codes))


ONE_STEP = ("--set", "training.max_steps=1", "--set", "training.precision=float32")
USES: dict[str, Callable[[Path], None]] = {
    **dict.fromkeys(("folder", "sealed"), _open),
    **dict.fromkeys(("run", "sealed run"), _go_on),
    **dict.fromkeys(("corpus", "set"), _train),
    "measured": lambda folder: _say("diagnose", str(folder)),
    "served": lambda folder: _say("serve", str(folder), "--port", "0"),
    "codes": _decode,
}
"""What is done with each kind of victim."""


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    imported = event == "import" and str(arguments[0]).startswith("hostile")
    executed = event == "exec" and "/opened/" in getattr(arguments[0], "co_filename", "")
    if event in FORBIDDEN or imported or executed:
        sys.stderr.write(f"FORBIDDEN {event} {arguments!r:.200}\n")
    if event in MEETING:
        paths = (each for each in arguments[:2] if isinstance(each, str | os.PathLike))
        sys.stderr.writelines(f"{MET}{os.fspath(each)}\n" for each in paths)
