"""From what a user demands of texts to automata over the tokens of a model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_

from latentia.data.spelling import Spelling, spelling
from latentia.decoding import AllocatedBeam, Strategy
from latentia.decoding.automaton import Automaton, in_order, length
from latentia.decoding.constrained import Constrained
from latentia.decoding.repetition import RepetitionControl
from latentia.errors import ImpossibleError, InputError
from latentia.operations.patterns import compiled
from latentia.operations.space import Space
from latentia.shapes import SPECIAL_TOKENS, UNK

Series = tuple[str, ...]
"""Phrases of which each must follow the one before, none overlapping it."""


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
    ordered: bool = False,
) -> Strategy:
    """Return a strategy each of whose texts meets all demands; the given one if there are none.

    Args:
        space: Whose model writes.
        strategy: How tokens are chosen.
        must: Phrases that must appear, as whole words, each as often as it is given.
        must_not: Phrases that must not.
        pattern: A regular expression that the whole text must match.
        length: Fewest and most tokens, as ``MIN:MAX``, either of which may be left out.
        ordered: Whether the phrases must appear one after another as they are given.

    Raises:
        ImpossibleError: If no text meets the demands; it names the first demand that none meets by itself.
        InputError: For a word that the model cannot write, an expression that is none or not regular, a length that is
            no range, an order of no phrases, or demands of more than 200,000 states together.
    """
    if ordered and not must:
        raise InputError("an order is asked for, and no phrase", "give phrases that must appear")
    series = _series(must, ordered)
    demands = list(_demands(space, series, must_not, pattern, length))
    return Constrained(strategy, all_of(demands, space.max_tokens)) if demands else strategy


def remarks_on_phrases(strategy: Strategy, must: Sequence[str]) -> list[str]:
    """Say that a strategy which does not plan for phrases puts them off: texts go on until nothing else may follow."""
    chosen = strategy.strategy if isinstance(strategy, RepetitionControl) else strategy
    name = type(chosen).__name__
    advice = f"{name} puts demanded phrases off, often to the longest text; the strategy AllocatedBeam plans for them"
    return [advice] if must and not isinstance(chosen, AllocatedBeam) else []


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


def _series(must: Sequence[str], ordered: bool) -> list[Series]:
    """Return which phrases must follow each other: all of them, or each as often as it is given."""
    if ordered:
        return [tuple(must)] if must else []
    return [(phrase,) * count for phrase, count in Counter(must).items()]


def _demands(
    space: Space, must: Sequence[Series], must_not: Sequence[str], pattern: str, tokens: str
) -> Iterator[Demand]:
    written = spelling(space.tokenizer)
    for series in must:
        yield Demand(f"must {_shown(series)}", _phrases(space, written, series))
    for phrase in must_not:
        if _unknown(space, written, phrase):
            continue  # what cannot be written does not appear
        yield Demand(f"must not {phrase!r}", ~_phrases(space, written, (phrase,), r"\s+"))
    if pattern:
        yield Demand(f"pattern {pattern!r}", _matching(pattern, written))
    if tokens:
        yield Demand(f"length {tokens}", _within(tokens, len(written.pieces), space.max_tokens))


def _shown(series: Series) -> str:
    times = f" {len(series)} times" if len(series) > 1 else ""
    return f"{series[0]!r}{times}" if len(set(series)) == 1 else " and then ".join(map(repr, series))


def _phrases(space: Space, written: Spelling, series: Series, between: str = " ") -> Automaton:
    """Accept texts that hold phrases one after another, with whole words at their ends, however these are cut.

    Between the words of a phrase stands what the expression ``between`` matches, where tokens are not words.

    Raises:
        InputError: If a phrase is empty, or has a word that the model cannot write.
    """
    if not all(phrase.split() for phrase in series):
        raise InputError("a phrase is empty", "give at least one word")
    if unknown := [word for phrase in series for word in _unknown(space, written, phrase)]:
        raise InputError(f"the model cannot write {', '.join(unknown)}", "demand words of its training texts")
    if written.of_words:
        return in_order([space.tokenizer.encode(phrase) for phrase in series], len(written.pieces))
    escaped = r"\s(?s:.*\s)?".join(between.join(map(re.escape, phrase.split())) for phrase in series)
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
