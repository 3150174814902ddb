"""From what a user demands of texts to automata over the tokens of a model."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import and_
from pathlib import Path

import numpy as np

from latentia.data.spelling import Spelling, spelling
from latentia.decoding import Strategy
from latentia.decoding.automaton import Automaton, containing, length
from latentia.decoding.constrained import Constrained
from latentia.decoding.lifting import ByteMachine
from latentia.errors import ImpossibleError, InputError
from latentia.operations.space import Space
from latentia.shapes import SPECIAL_TOKENS, UNK

SECONDS = 20
"""Time in which a pattern must be compiled."""

COMPILER = Path(__file__).with_name("compile_pattern.py")


@dataclass(frozen=True)
class Demand:
    """What is demanded, in the user's words, and the automaton that accepts the texts that meet it."""

    words: str
    automaton: Automaton


def constrained(
    space: Space,
    strategy: Strategy,
    must: Sequence[str] = (),
    must_not: Sequence[str] = (),
    pattern: str = "",
    length: str = "",
) -> Strategy:
    """Return a strategy each of whose texts meets all demands; the given one if there are none.

    Args:
        space: Whose model writes.
        strategy: How tokens are chosen.
        must: Phrases that must appear, as whole words.
        must_not: Phrases that must not.
        pattern: A regular expression that the whole text must match.
        length: Fewest and most tokens, as ``MIN:MAX``, either of which may be left out.

    Raises:
        ImpossibleError: If no text meets the demands; it names the first demand that none meets by itself.
        InputError: For a word that the model cannot write, an expression that is none or not regular, a length that is
            no range, or demands of more than 200,000 states together.
    """
    demands = list(_demands(space, must, must_not, pattern, length))
    return Constrained(strategy, all_of(demands, space.max_tokens)) if demands else strategy


def all_of(demands: Sequence[Demand], max_tokens: int) -> Automaton:
    """Return the automaton of the texts that meet all of some demands.

    Raises:
        ImpossibleError: If no text of ``max_tokens`` does.
        InputError: If more than 200,000 states are needed.
    """
    for demand in demands:
        _require_possible(demand, max_tokens)
    together = reduce(and_, (demand.automaton for demand in demands))
    _require_possible(Demand(", ".join(demand.words for demand in demands), together), max_tokens)
    return together


def _require_possible(demand: Demand, max_tokens: int) -> None:
    if demand.automaton.distances[0] > max_tokens:
        raise ImpossibleError(
            f"no text of at most {max_tokens} tokens meets: {demand.words}", "demand something else, or less at a time"
        )


def _demands(space: Space, must: Sequence[str], must_not: Sequence[str], pattern: str, tokens: str) -> Iterator[Demand]:
    written = spelling(space.tokenizer)
    for phrase in must:
        yield Demand(f"must {phrase!r}", _phrase(space, written, phrase))
    for phrase in must_not:
        if _unknown(space, written, phrase):
            continue  # what cannot be written does not appear
        yield Demand(f"must not {phrase!r}", ~_phrase(space, written, phrase))
    if pattern:
        yield Demand(f"pattern {pattern!r}", _matching(pattern, written))
    if tokens:
        yield Demand(f"length {tokens}", _within(tokens, len(written.pieces), space.max_tokens))


def _phrase(space: Space, written: Spelling, phrase: str) -> Automaton:
    """Accept texts that hold a phrase, its first and last words whole, however the tokenizer cuts them.

    Raises:
        InputError: If the phrase is empty, or has a word that the model cannot write.
    """
    words = phrase.split()
    if not words:
        raise InputError("a phrase is empty", "give at least one word")
    if unknown := _unknown(space, written, phrase):
        raise InputError(f"the model cannot write {', '.join(unknown)}", "demand words of its training texts")
    if written.of_words:
        return containing(space.tokenizer.encode(phrase), len(written.pieces))
    escaped = r"\s+".join(map(re.escape, words))
    return _matching(rf"(?s:.*\s)?{escaped}(?s:\s.*)?", written)


def _unknown(space: Space, written: Spelling, phrase: str) -> list[str]:
    """Return the words that are not in a vocabulary of words."""
    words = phrase.split() if written.of_words else []
    known = space.tokenizer.encode_batch(words)
    return [word for word, ids in zip(words, known, strict=True) if UNK in ids and word != SPECIAL_TOKENS[UNK]]


def _matching(pattern: str, written: Spelling) -> Automaton:
    """Accept texts that match a regular expression from end to end."""
    return compiled(pattern).over_tokens(written.pieces, written.separator)


def _within(tokens: str, vocabulary_size: int, max_tokens: int) -> Automaton:
    """Accept texts of a number of tokens; those of more than can be written are all alike.

    Raises:
        InputError: If it is not written ``MIN:MAX``.
    """
    match = re.fullmatch(r"([0-9]{0,18}):([0-9]{0,18})", tokens)
    if not match:
        raise InputError(f"length is {tokens!r}", "write MIN:MAX, in tokens; either may be left out")
    least, most = int(match[1] or 0), int(match[2] or max_tokens)
    return length(vocabulary_size, min(least, max_tokens + 1), most if most < max_tokens else math.inf)


@lru_cache(maxsize=64)
def compiled(pattern: str) -> ByteMachine:
    """Return the automaton over the bytes of the texts that match an expression from end to end.

    Raises:
        InputError: If it is no expression that both Python and a finite automaton know, or its automaton takes more
            than 20 seconds.
    """
    _require_expression(pattern)
    command = [sys.executable, "-P", str(COMPILER)]
    try:
        run = subprocess.run(command, input=_inner(pattern).encode(), capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        remedy = "count fewer repetitions, of things that overlap less"
        raise InputError(f"pattern {pattern!r} has too many states to compile in {SECONDS} s", remedy) from None
    if run.returncode:
        reason = " ".join(run.stderr.decode(errors="replace").split())
        remedy = "leave out boundaries, looks ahead or behind and references to groups"
        raise InputError(f"pattern {pattern!r} is not regular ({reason})", remedy)
    return _machine(np.frombuffer(run.stdout, dtype=np.int32).reshape(-1, 256))


def _require_expression(pattern: str) -> None:
    try:
        pattern.encode()
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # a set within a set, which the compiler reads otherwise
            re.compile(pattern)
    except (re.error, FutureWarning, UnicodeEncodeError) as error:
        raise InputError(f"pattern {pattern!r} is no expression ({error})", "write it as for Python's re") from None


def _inner(pattern: str) -> str:
    """Leave out a first ``^`` and a last ``$``, which say again that the whole text must match."""
    without = pattern.removeprefix("^")
    backslashes = len(without[:-1]) - len(without[:-1].rstrip("\\"))
    return without[:-1] if without.endswith("$") and backslashes % 2 == 0 else without


def _machine(table: np.ndarray) -> ByteMachine:
    """Add the state from which nothing is accepted."""
    dead = len(table)
    accepting = np.append(table[:, 0] >= 0, [False])
    complete = np.full((dead + 1, 256), dead, dtype=np.int64)
    complete[:-1, 1:] = np.where(table[:, 1:] >= 0, table[:, 1:], dead)
    return ByteMachine(complete, accepting)
