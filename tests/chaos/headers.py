"""Files of weights whose header lies, by the thousand: each is refused by a typed error, or loaded as it stands."""

from __future__ import annotations

import json
import math
import os
import random
import re
import signal
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from latentia.durable import MANIFEST, Manifest, entry_of
from latentia.errors import LatentiaError, RunError
from latentia.training import weights
from tests.chaos import hostile, placing
from tests.chaos.evidence import opened
from tests.chaos.report import Tally
from tests.chaos.weighing import grown, peak_begun

SLOWEST, LARGEST = 2.0, 300 * 2**20
"""Seconds of the processor and bytes of memory that a file may take."""

PATIENCE = 60.0
"""Seconds after which a reader that says nothing is killed."""

IN_FOLDERS = 250
"""Generated files for each of which one is also opened in a folder or a run, where it takes half a second."""

WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1, "U64": 8}
Header = dict[str, Any]


def file(header: object, data: bytes, length: int = -1) -> bytes:
    """Put a file together; a header that is no bytes becomes JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length < 0 else length) + text + data


def sound(chance: random.Random) -> tuple[Header, bytes]:
    """Return the header and the data of a file that is whole."""
    header, end = {}, 0
    for number in range(chance.randint(1, 6)):
        kind = chance.choice([*WIDTHS])
        shape = [chance.choice([1, 2, 3, 5]) for _ in range(chance.randint(0, 4))]
        size = WIDTHS[kind] * math.prod(shape)
        header[f"part.{number}"] = {"dtype": kind, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    if chance.random() < 0.3:
        header["__metadata__"] = {"format": "pt"}
    return header, chance.randbytes(end).replace(b"\xff", b"\0")


def _whole(chance: random.Random) -> bytes:
    return file(*sound(chance))


def _changed(change: Callable[[Header, dict[str, Any], random.Random], object], chance: random.Random) -> bytes:
    """Change the entry of one tensor, which is never as it was."""
    header, data = sound(chance)
    entry = header[chance.choice([name for name in header if name != "__metadata__"])]
    change(header, entry, chance)
    return file(header, data)


def _overlap(header: Header, entry: dict[str, Any], _: random.Random) -> None:
    header["again"] = dict(entry) if entry["data_offsets"][1] > entry["data_offsets"][0] else {}


def _hole(_: Header, entry: dict[str, Any], chance: random.Random) -> None:
    begin, end = entry["data_offsets"]
    entry.update(dtype="U8", shape=[end - begin - 1], data_offsets=[begin + chance.randint(0, 1), end])
    entry["shape"] = [end - entry["data_offsets"][0] - (entry["data_offsets"][0] == begin)]


def _offsets(_: Header, entry: dict[str, Any], chance: random.Random) -> None:
    begin, end = entry["data_offsets"]
    far = chance.choice([2**20, 2**31, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30])
    odd = [[-1, end], [begin, far], [far, far + end], [end, begin - 1], [begin + 0.5, end], [f"{begin}", end]]
    entry["data_offsets"] = chance.choice([*odd, [begin], [begin, end, end], [], None, {}, far, [None, None]])


def _shape(_: Header, entry: dict[str, Any], chance: random.Random) -> None:
    large = [2**16, 2**31, 2**32, 2**33, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64]
    sizes = [chance.choice(large) for _ in range(chance.randint(2, 5))]
    odd = [sizes, [*entry["shape"], 7], [-1], [-4, -4], [1.5], ["4"], [None], None, "4", {}, [[4]], [True]]
    entry["shape"] = chance.choice([*odd, [1] * chance.choice([100, 1000, 5000]) + [9], [10**30]])


def _dtype(_: Header, entry: dict[str, Any], chance: random.Random) -> None:
    kinds = ["PICKLE", "f32", "", "F32\0", "../F32", "torch.float32", "object", "O", None, 4, [], {"F32": 1}, "F128"]
    entry["dtype"] = chance.choice(kinds)


def _keys(header: Header, entry: dict[str, Any], chance: random.Random) -> None:
    name = chance.choice([*entry])
    what = chance.randrange(4)
    if what == 0:
        del entry[name]
    elif what == 1:
        entry[f"{name}\0"] = entry.pop(name)
    elif what == 2:
        header["__metadata__"] = chance.choice([7, [], {"a": 1}, {"a": {"b": "c"}}, "x", {"a": None}])
    else:
        header["none"] = chance.choice([None, [], 7, "x", {}, {"dtype": "F32"}])


def _twice(chance: random.Random) -> bytes:
    """A name stands twice: what the two say is not the same."""
    header, data = sound(chance)
    name = next(each for each in header if each != "__metadata__")
    entry = {**header[name], "data_offsets": [len(data), len(data)], "shape": [0]}
    text = json.dumps(header)
    return file(f'{text[:-1]}, "{name}": {json.dumps(entry)}}}'.encode(), data)


def _names(chance: random.Random) -> bytes:
    """Names that are none elsewhere; a file with them is whole."""
    header, data = sound(chance)
    odd = ["", "\0", "a" * 4096, "../../etc/passwd", "/etc/passwd", "__class__", "\x1b[2J", "\u202e", "a" * 100_000]
    return file({chance.choice(odd): header.pop("part.0"), **header}, data)


def _length(chance: random.Random) -> bytes:
    """A length of the header that is another."""
    header, data = sound(chance)
    text = json.dumps(header).encode()
    lies = [0, 1, len(text) - 1, len(text) + len(data) + 1, 2**21, 2**21 + 1, 2**31, 2**32, 2**63, 2**64 - 1]
    return file(text, data, chance.choice(lies))


def _no_json(chance: random.Random) -> bytes:
    header, data = sound(chance)
    text = json.dumps(header).encode()
    cut = text[: chance.randrange(len(text))]
    others = [b"[1, 2]", b"7", b'"x"', b"null", b"true", b"NaN", b"{]", b"{'a': 1}", b"\0" * 64, b"{}}", text + b"x"]
    others += [chance.randbytes(64), text.replace(b"part", b"\xff\xfe"), json.dumps(header).encode("utf-16")]
    return file(chance.choice([cut, *others]), data)


def _nested(chance: random.Random) -> bytes:
    depth = chance.choice([100, 127, 128, 10_000, 1_000_000])
    text = chance.choice([b"[" * depth, b'{"a":' * depth, b'{"a":' + b"[" * depth + b"]" * depth + b"}"])
    return file(text, b"\0" * 16)


def _ends(chance: random.Random) -> bytes:
    """Bytes more than the tensors have, or fewer; or hardly any."""
    content = _whole(chance)
    more = content + chance.randbytes(chance.choice([1, 4, 400, 2**20]))
    return chance.choice([more, content[: -chance.randint(1, 8)], b"", content[: chance.randint(0, 12)]])


def _mutated(chance: random.Random) -> bytes:
    """Bytes of the header that are others: some of these files are whole."""
    content = bytearray(_whole(chance))
    end = 8 + int.from_bytes(content[:8], "little")
    for _ in range(chance.randint(1, 3)):
        content[chance.randrange(end)] = chance.choice(b'0123456789[]{},:"-\\eE.\x00\xff FIU')
    return bytes(content)


def _tensors(chance: random.Random, count: int) -> bytes:
    """So many tensors of no number, or of one each."""
    size = chance.randint(0, 1)
    header = {
        f"{n}": {"dtype": "U8", "shape": [size], "data_offsets": [n * size, (n + 1) * size]} for n in range(count)
    }
    return file(header, b"\1" * (size * count))


def _huge(chance: random.Random) -> bytes:
    """A header of more bytes than are read: a hundred megabytes."""
    return file(chance.choice([b" ", b"[", b"9", b'"']) * 100_000_000, b"")


MUST_LOAD: dict[str, Callable[[random.Random], bytes]] = {"whole": _whole, "odd names": _names}
MUST_NOT: dict[str, Callable[[random.Random], bytes]] = {
    "overlap": partial(_changed, _overlap),
    "hole": partial(_changed, _hole),
    "offsets": partial(_changed, _offsets),
    "shape": partial(_changed, _shape),
    "type": partial(_changed, _dtype),
    "keys": partial(_changed, _keys),
    "a length that lies": _length,
    "no JSON": _no_json,
    "nested": _nested,
    "ends": _ends,
}
EITHER: dict[str, Callable[[random.Random], bytes]] = {"mutated": _mutated, "a name twice": _twice}
TOO_MUCH: dict[str, Callable[[random.Random], bytes]] = {
    "a hundred thousand tensors": partial(_tensors, count=100_000),
    "a hundred megabytes": _huge,
}
AS_MUCH_AS_IS_READ = {"as many tensors as are read": partial(_tensors, count=29_000)}
RARE = {**TOO_MUCH, **AS_MUCH_AS_IS_READ}
"""Kinds of files by whether they are whole; the rare ones take as long as a thousand others."""

RARELY = 500


def case(number: int, seed: int) -> tuple[str, bytes]:
    """Return a file of each kind in turn, and what it is; the same for the same number and seed."""
    chance = random.Random(f"{seed} {number}")
    usual = {**MUST_LOAD, **MUST_NOT, **EITHER}
    rare = number % RARELY == RARELY // 2
    names = [*RARE] if rare else [*usual]
    name = names[(number // RARELY if rare else number) % len(names)]
    return name, {**usual, **RARE}[name](chance)


def tally(home: Path, count: int, seed: int) -> Iterator[Tally]:
    """Open generated files by the loader of weights in children, and some of them as folders and runs."""
    yield alone(home, count, seed)
    counts = Tally("such a file in a folder or a run", max(2, count // IN_FOLDERS))
    victims = hostile._victims(home)
    numbers = (number for number in range(count) if case(number, seed)[0] in MUST_NOT)
    for number, _ in zip(numbers, range(counts.least), strict=False):
        name, content = case(number, seed)
        kind = ("folder", "run")[counts.injected % 2]
        attack = (f"{name}, {number}", kind, placing.content("model.safetensors", content))
        wrong, fired = hostile.opened(home, attack, victims[kind], home / "canary")
        counts.add(wrong, fired=fired)
    yield counts


def alone(home: Path, count: int, seed: int) -> Tally:
    """Open so many files by the loader of weights; say by how many reasons they were refused."""
    counts, reasons = Tally("a header of weights that lies", count), Counter[str]()
    slowest = largest = 0.0
    for told in _told(home, count, seed):
        counts.add(told["wrong"], fired=told["fired"])
        reasons[told["reason"]] += 1
        slowest, largest = max(slowest, told["seconds"]), max(largest, told["bytes"])
    loaded = reasons.pop("", 0)
    counts.note = f"{loaded:,} loaded, {reasons.total():,} refused for {len(reasons)} reasons"
    counts.note += f", at most {slowest:.1f} s and {largest / 2**20:.0f} MB"
    return counts


def _told(home: Path, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Let children read, one after another; where one dies, the next goes on behind what it died of."""
    number = 0
    while number < count:
        read, write = os.pipe()
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            os.close(read)
            _be(home, range(number, count), seed, write)
        os.close(write)
        with os.fdopen(read, "rb") as lines:
            for line in lines:
                number += 1
                yield json.loads(line)
        _, status = os.waitpid(child, 0)
        if number < count:
            wrong = f"{case(number, seed)[0]}, {number}: {_ending(status)} after {time.monotonic() - begun:.0f} s"
            number += 1
            yield {"wrong": wrong, "fired": True, "reason": "died", "seconds": 0.0, "bytes": 0.0}


def _ending(status: int) -> str:
    return f"exit code {os.waitstatus_to_exitcode(status)}"


def _be(home: Path, numbers: range, seed: int, write: int) -> None:
    """Read the files of some numbers, and tell of each in a line as soon as it is read."""
    folder = home / "read"
    folder.mkdir(exist_ok=True)
    for number in numbers:
        signal.alarm(int(PATIENCE))
        os.write(write, json.dumps(_judged(folder, number, seed)).encode() + b"\n")
    os._exit(0)


def _judged(folder: Path, number: int, seed: int) -> dict[str, Any]:
    """Open one file, whose manifest agrees with it; say what is wrong, and what it took."""
    name, content = case(number, seed)
    path = folder / weights.WEIGHTS
    path.write_bytes(content)
    (folder / MANIFEST).write_bytes(Manifest({path.name: entry_of(content)}).encode())
    reason, loaded = "", None
    before, begun = peak_begun(), time.process_time()
    with opened() as met:
        try:
            loaded = weights.read_tensors(path)
        except RunError as error:
            reason = _reason(str(error)) if str(path) in str(error) else "the file is not named"
        except LatentiaError as error:
            reason = f"{type(error).__name__}"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            reason = f"untyped {type(error).__name__}"
    seconds, taken = time.process_time() - begun, grown(before)
    wrong = _wrong_with(name, content, reason, loaded) or _too_much(seconds, taken)
    told = {"reason": reason, "fired": str(path) in met, "seconds": seconds, "bytes": taken}
    return {"wrong": wrong and f"{name}, {number}: {wrong}", **told}


def _reason(said: str) -> str:
    """Return the kind of fault, without the names and numbers of one file."""
    told = re.search(r"deserializing: (?:invalid JSON in header: )?([^`]*?)( at line| `|\): |$)", said)
    return re.sub(r"\d+", "N", told[1]) if told else "its length"


def _too_much(seconds: float, taken: float) -> str:
    return f"it took {seconds:.1f} s, {taken / 2**20:.0f} MB" if seconds > SLOWEST or taken > LARGEST else ""


def _wrong_with(name: str, content: bytes, reason: str, loaded: dict[str, torch.Tensor] | None) -> str:
    if reason.startswith("untyped") or reason in ("the file is not named", "StorageError"):
        return reason
    if loaded is None:
        return f"refused: {reason}" if name in MUST_LOAD or name in AS_MUCH_AS_IS_READ else ""
    if name in MUST_NOT or name in TOO_MUCH:
        return f"loaded, {len(loaded)} tensors"
    return "" if _as_it_stands(content, loaded) else "loaded as something else than stands in it"


def _as_it_stands(content: bytes, loaded: dict[str, torch.Tensor]) -> bool:
    """Read the file by the rule of its format, with nothing but JSON, and compare."""
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    header.pop("__metadata__", None)
    places = sorted(tuple(entry["data_offsets"]) for entry in header.values())
    joined = [end for _, end in places[:-1]] == [start for start, _ in places[1:]]
    if loaded.keys() != header.keys() or not joined or places[-1][1] != len(content) - begin:
        return False
    return all(_is_same(loaded[name], entry, content[begin:]) for name, entry in header.items())


def _is_same(tensor: torch.Tensor, entry: dict[str, Any], data: bytes) -> bool:
    first, end = entry["data_offsets"]
    found = tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
    return list(tensor.shape) == entry["shape"] and found == data[first:end]
