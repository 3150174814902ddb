"""From regular expressions, as Python writes them, to automata over bytes."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np

from latentia.decoding.lifting import ByteMachine
from latentia.errors import InputError

SECONDS = 20
"""Time in which a pattern must be compiled."""

COMPILER = Path(__file__).with_name("compile_pattern.py")

OUTSIDE = r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?#[^)]*\)|\(\?(?:P=|<?[=!]|\(|[a-zA-Z-]+)|\{\d*,?\d*\}|."
PIECE = re.compile(OUTSIDE, re.DOTALL)
"""A piece of an expression that must not be cut: an escape, a set, the opening of a group, a count, a character."""

VERBOSE_PIECE = re.compile(rf"#[^\n]*|\s+|{OUTSIDE}", re.DOTALL)
"""The same of a verbose expression, in which comments and white space are pieces of their own."""

FLAGS = re.compile(r"\(\?([imsux]+)\)")
"""Flags of the whole expression, which stand before it; others are left to be refused."""

UNREADABLE = (
    (r"\(\?<?[=!]", "looks ahead or behind", "say it without, or by phrases that must or must not appear"),
    (r"\\[1-9]|\(\?P=|\(\?\(", "refers to a group", "write out what may stand there"),
    (r"\\[bB]", "has a boundary of words", r"write out what stands there, such as (.*\s)? before a word"),
    (r"[$^]|\\[AZ]", "has an anchor inside", "leave it out: the text must match from its first character to its last"),
    (r"\(\?[aiLmsu]*x", "is verbose in a part", "put (?x) before the whole expression"),
    (r"\(\?[imsu]*[aL]", "has the flag a or L", "leave it out, texts are Unicode"),
    (r"\\[0N]", "names a character by an octal number or its name", "write the character itself"),
)
"""Kinds of pieces that an automaton does not know or its compiler does not take, what to say of each, and a remedy."""


@lru_cache(maxsize=64)
def compiled(pattern: str) -> ByteMachine:
    """Return the automaton over the bytes of the texts that match an expression from end to end.

    Raises:
        InputError: If it is no expression that both Python and a finite automaton know, or its automaton takes more
            than 20 seconds.
    """
    _require_expression(pattern)
    translated, command = translation(pattern), [sys.executable, "-P", str(COMPILER)]
    try:
        run = subprocess.run(command, input=translated.encode(), capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        remedy = "count fewer repetitions, of things that overlap less"
        raise InputError(f"pattern {pattern!r} has too many states to compile in {SECONDS} s", remedy) from None
    if run.returncode:
        reason = " ".join(run.stderr.decode(errors="replace").split())
        raise InputError(f"pattern {pattern!r} is not regular ({reason})", "leave out what only Python's re knows")
    return _machine(np.frombuffer(run.stdout, dtype=np.int32).reshape(-1, 256))


def _require_expression(pattern: str) -> None:
    try:
        pattern.encode()
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # a set within a set, which the compiler reads otherwise
            re.compile(pattern)
    except (re.error, FutureWarning, UnicodeEncodeError) as error:
        raise InputError(f"pattern {pattern!r} is no expression ({error})", "write it as for Python's re") from None


def translation(pattern: str) -> str:
    """Write an expression as the compiler reads it: counts with both ends, nothing verbose, no anchors at its ends.

    Raises:
        InputError: If it holds what an automaton does not know.
    """
    found = FLAGS.match(pattern)
    flags, body = (found[1], pattern[found.end() :]) if found else ("", pattern)
    pieces = _without_anchors(_spoken(body, "x" in flags))
    for piece, (kind, problem, remedy) in product(pieces, UNREADABLE):
        if re.match(kind, piece):
            raise InputError(f"pattern {pattern!r} {problem}", remedy)
    kept = flags.replace("x", "")
    return "".join([f"(?{kept})" if kept else "", *map(_spelt, pieces)])


def _spoken(body: str, verbose: bool) -> list[str]:
    """Cut an expression, and leave out comments and the white space that has no meaning."""
    pieces = [found[0] for found in (VERBOSE_PIECE if verbose else PIECE).finditer(body)]
    silent = re.compile(r"\(\?#|[#\s]" if verbose else r"\(\?#")
    return [piece for piece in pieces if not silent.match(piece)]


def _without_anchors(pieces: list[str]) -> list[str]:
    """Leave out a first ``^`` and a last ``$``, which say again that the whole text must match."""
    first, last = pieces[:1] in (["^"], [r"\A"]), pieces[-1:] in (["$"], [r"\Z"])
    return pieces[first : len(pieces) - last]


def _spelt(piece: str) -> str:
    """Spell a piece: a count without a beginning begins at 0, and a brace that counts nothing is a character."""
    if piece.startswith("{"):
        return piece.replace("{,", "{0,") if re.search(r"[\d,]", piece) else rf"\{piece}"
    return piece[1:] if re.fullmatch(r"\\\s", piece) else piece


def _machine(table: np.ndarray) -> ByteMachine:
    """Add the state from which nothing is accepted."""
    dead = len(table)
    accepting = np.append(table[:, 0] >= 0, [False])
    complete = np.full((dead + 1, 256), dead, dtype=np.int64)
    complete[:-1, 1:] = np.where(table[:, 1:] >= 0, table[:, 1:], dead)
    return ByteMachine(complete, accepting)
