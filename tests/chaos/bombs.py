"""Files that expand without end, and lines and texts without end: each is refused, or read in little memory."""

from __future__ import annotations

import gzip
import json
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from latentia.data import Columns
from latentia.data.reading import read_records
from latentia.data.report import ReadReport
from latentia.errors import DataError, InputError
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.runs import load, start_run
from tests.chaos.children import Child
from tests.chaos.evidence import opened
from tests.chaos.faults import Fault
from tests.chaos.report import Tally
from tests.chaos.training import QUIET, SMALL, start
from tests.chaos.weighing import grown, peak_begun

SLOWEST, LARGEST = 5.0, 200 * 2**20
"""Seconds of the processor and bytes of memory that a bomb may take."""

MEMBER = 10 * 2**20
"""Expanded bytes of one member of a file of gzip."""

MEMBERS = 1000
TOKENS = 1_000_000


@dataclass(frozen=True)
class Bomb:
    """A file, and what has to become of it.

    Attributes:
        name: Of the file, whose suffix tells its format.
        make: Returns its bytes, from how many times a piece is repeated.
        refused: What the error says; nothing where it is read.
        read: Lines that are read then, and those of them that are used.
    """

    name: str
    make: Callable[[int], bytes]
    refused: str = ""
    read: tuple[int, int] = field(default=(0, 0))


@cache
def _member(piece: bytes) -> bytes:
    return gzip.compress(piece * (MEMBER // len(piece)), compresslevel=9, mtime=0)


def _members(piece: bytes) -> Callable[[int], bytes]:
    """As many members as are asked for: ten gigabytes of ten megabytes."""
    return lambda count: _member(piece) * count


def _one_member(count: int) -> bytes:
    """One member, the blocks of which are repeated; nobody comes to the sum at its end."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    first = deflate.compress(bytes(MEMBER)) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(bytes(MEMBER)) + deflate.flush(zlib.Z_FULL_FLUSH)
    head = b"\x1f\x8b\x08\0\0\0\0\0\2\xff"
    return head + first + block * (count - 1) + deflate.flush() + bytes(8)


def _short(number: int) -> bytes:
    return gzip.compress(f"line {number}\n".encode(), mtime=0)


def _damaged(content: bytes) -> bytes:
    return content[:-8] + bytes([content[-8] ^ 1]) + content[-7:]


LINES = b"a b c\n"
EXPANDS, DAMAGED, UNKNOWN = "expands to more than 200 times", "is a damaged gzip file", "has no known format"
WHOLE = gzip.compress(b"".join(b"line %d\n" % number for number in range(5000)), mtime=0)

BOMBS = {
    "zeros": Bomb("a.txt.gz", _members(b"\0"), EXPANDS),
    "zeros in one member": Bomb("a.txt.gz", _one_member, EXPANDS),
    "one line of letters": Bomb("a.txt.gz", _members(b"a"), EXPANDS),
    "one line of words": Bomb("a.txt.gz", _members(b"ab "), EXPANDS),
    "lines": Bomb("a.txt.gz", _members(LINES), EXPANDS),
    "a table of zeros": Bomb("a.csv.gz", _members(b"\0"), EXPANDS),
    "empty lines": Bomb("a.txt.gz", _members(b"\n"), EXPANDS),
    "a table of an open quote": Bomb(
        "a.csv.gz", lambda count: gzip.compress(b'text\n"') + _member(b"a") * count, EXPANDS
    ),
    "a table of rows": Bomb("a.csv.gz", lambda count: gzip.compress(b"text\n") + _member(LINES) * count, EXPANDS),
    "a table of tabs": Bomb("a.tsv.gz", lambda count: gzip.compress(b"text\n") + _member(b"\t") * count, EXPANDS),
    "objects": Bomb("a.jsonl.gz", _members(b'{"text": "a"}\n'), EXPANDS),
    "an object that nests": Bomb("a.jsonl.gz", _members(b"["), EXPANDS),
    "a table of columns": Bomb("a.parquet.gz", _members(b"\0"), EXPANDS),
    "a bomb in an archive": Bomb("a.txt.gz", lambda _: gzip.compress(_member(b"\0") * MEMBERS), EXPANDS),
    "members without content": Bomb(
        "a.txt.gz", lambda count: gzip.compress(b"", mtime=0) * (100 * count) + _short(1), read=(1, 1)
    ),
    "a thousand members": Bomb("a.txt.gz", lambda _: b"".join(map(_short, range(MEMBERS))), read=(MEMBERS, MEMBERS)),
    "a file that is cut short": Bomb("a.txt.gz", lambda _: WHOLE[: len(WHOLE) // 2], DAMAGED),
    "a file without its end": Bomb("a.txt.gz", lambda _: WHOLE[:-4], DAMAGED),
    "a file with another sum": Bomb("a.txt.gz", lambda _: _damaged(WHOLE), DAMAGED),
    "a second member that is none": Bomb("a.txt.gz", lambda _: WHOLE + b"more", DAMAGED),
    "a second member that is cut short": Bomb("a.txt.gz", lambda _: WHOLE + WHOLE[:100], DAMAGED),
    "zeros behind the end": Bomb("a.txt.gz", lambda _: WHOLE + bytes(4096), read=(5000, 5000)),
    **{
        f"a file of {kind}": Bomb(f"a.txt.{kind}", lambda _: WHOLE, UNKNOWN)
        for kind in ("bz2", "xz", "zst", "zip", "Z")
    },
    "a line of a million tokens": Bomb("a.txt", lambda _: b"a b\n" + b"a " * TOKENS + b"\nc\n", read=(3, 2)),
    "a line of two gigabytes": Bomb("a.txt", lambda count: b"a b\n" + b"a " * (10**6 * count) + b"\nc\n", read=(3, 2)),
    "a cell of a million tokens": Bomb("a.csv", lambda _: b'text\na b\n"' + b"a " * TOKENS + b'"\nc\n', read=(3, 2)),
    "a value of a million tokens": Bomb(
        "a.jsonl", lambda _: json.dumps({"text": "a " * TOKENS}).encode() + b'\n{"text": "c"}\n', read=(2, 1)
    ),
}


def tally(home: Path, share: float) -> Iterator[Tally]:
    """Read each bomb, of a share of ten gigabytes; then train with a long line, and ask of a long text."""
    chosen = dict(islice(BOMBS.items(), 0, None, max(1, round(0.1 / share))))
    counts = Tally("files and lines without end", len(chosen))
    slowest = largest = 0.0
    for name, bomb in chosen.items():
        told = met(home, bomb, max(10, round(MEMBERS * share)))
        counts.add(told["wrong"] and f"{name}: {told['wrong']}", fired=told["fired"])
        slowest, largest = max(slowest, told["seconds"]), max(largest, told["bytes"])
    counts.note = f"at most {slowest:.1f} s and {largest / 2**20:.0f} MB"
    yield counts
    yield _long_texts(home)


def met(home: Path, bomb: Bomb, count: int) -> dict[str, Any]:
    """Let a child read a bomb; say what is wrong, whether the file was opened, and what it took."""
    path = home / bomb.name
    path.write_bytes(bomb.make(count))
    told = _in_child(home, lambda: _read(path, bomb))
    path.unlink()
    return told


def _in_child(home: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do something in a child that tells what came of it; where it does not, it died."""
    outcome = Child(lambda: sys.stdout.write(json.dumps(work())), home, Fault(), home).wait(120.0)
    said = outcome.said.splitlines()[-1:]
    if outcome.code == 0 and said and said[0].startswith("{"):
        found: dict[str, Any] = json.loads(said[0])
        return found
    return {"wrong": f"exit code {outcome.code}, {outcome.said[-300:]}", "fired": True, "seconds": 0.0, "bytes": 0}


def _read(path: Path, bomb: Bomb) -> dict[str, Any]:
    report, said = ReadReport(), ""
    before, begun = peak_begun(), time.process_time()
    with opened() as paths:
        try:
            for _ in read_records([str(path)], Columns(), report):
                pass
        except DataError as error:
            said = str(error)
    seconds, taken = time.process_time() - begun, grown(before)
    wrong = _wrong_with(bomb, said, (report.read, report.used))
    if seconds > SLOWEST or taken > LARGEST:
        wrong = f"it took {seconds:.1f} s and {taken / 2**20:.0f} MB"
    return {"wrong": wrong, "fired": str(path) in paths or UNKNOWN in said, "seconds": seconds, "bytes": taken}


def _wrong_with(bomb: Bomb, said: str, read: tuple[int, int]) -> str:
    if bomb.refused:
        return "" if bomb.refused in said and bomb.name in said else f"not refused: {said or read}"
    return f"refused: {said}" if said else "" if read == bomb.read else f"read {read} of {bomb.read}"


def _long_texts(home: Path) -> Tally:
    """Train with a long line, in less than twice the memory that it takes without; ask of long texts."""
    counts = Tally("a line or a text of a million tokens", len(ASKED) + 1)
    lines = b"".join(b"a b %sd%d\n" % (b"c " * (n % 3), n % 5) for n in range(40))
    plain, long = (
        _in_child(home, lambda text=text: _trained(home, text))
        for text in (lines, lines + b"a " * (TOKENS // 2) + b"\n" + b"a " * TOKENS + b"\n")
    )
    wrong = plain["wrong"] or long["wrong"] or ("" if long["bytes"] < 2 * plain["bytes"] else "twice the memory")
    counts.add(wrong, fired=long["fired"])
    start(home, "plain", home / "asked")
    for name in ASKED:
        told = _in_child(home, lambda name=name: _asked(home / "asked", name))
        counts.add(told["wrong"] and f"{name}: {told['wrong']}", fired=told["fired"])
    counts.note = f"{long['bytes'] / 2**20:.0f} MB, {plain['bytes'] / 2**20:.0f} MB without"
    return counts


def _trained(home: Path, text: bytes) -> dict[str, Any]:
    """Train some steps; tell the most memory of the whole process, and whether each long line was left out."""
    path, folder = home / "long.txt", home / f"long {len(text)}"
    path.write_bytes(text)
    before = peak_begun()
    sources, recipe = Sources([str(path)], [], Columns()), load_recipe("default").with_settings(SMALL)
    start_run(sources, recipe, folder, 1, QUIET)
    left_out = sum(b"over_long" in each.read_bytes() for each in (folder / "data").glob("*.json"))
    return {"wrong": "", "fired": bool(left_out), "seconds": 0.0, "bytes": before + grown(before)}


ASKED: dict[str, Callable[[Any, str], object]] = {
    "encode": lambda space, text: space.encode([text]),
    "reconstruct": lambda space, text: list(space.reconstruct([text])),
    "score": lambda space, text: list(space.score([text])),
    "interpolate": lambda space, text: list(space.interpolate(text, "a b")),
}


def _asked(run: Path, name: str) -> dict[str, Any]:
    """Ask something of a long text, which has to be refused, by an error or in the answer."""
    space = load(run)
    before, begun = peak_begun(), time.process_time()
    try:
        said = f"{ASKED[name](space, 'a ' * TOKENS)!r}"
    except InputError as error:
        said = str(error)
    seconds, taken = time.process_time() - begun, grown(before)
    refused = "is longer than a megabyte" in said
    wrong = "" if refused and taken < LARGEST and seconds < SLOWEST else f"{said[:200]}, {seconds:.1f} s, {taken} bytes"
    return {"wrong": wrong, "fired": True, "seconds": seconds, "bytes": taken}
