"""Probabilistic context-free grammars without recursion: sampling, probability and entropy, all exact."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from random import Random
from typing import NamedTuple


class Option(NamedTuple):
    """One way to write a symbol: its probability and the symbols or words that it is replaced by."""

    probability: float
    parts: tuple[str, ...]


Rules = Mapping[str, Sequence[Option]]


def options(weighted: Sequence[tuple[float, str]]) -> list[Option]:
    """Scale weights to probabilities; the parts of an option are separated by spaces.

    >>> options([(3, "the ADJECTIVE"), (1, "the")])
    [Option(probability=0.75, parts=('the', 'ADJECTIVE')), Option(probability=0.25, parts=('the',))]
    """
    total = math.fsum(weight for weight, _ in weighted)
    return [Option(weight / total, tuple(parts.split())) for weight, parts in weighted]


class Productions:
    r"""A grammar of finitely many sentences; a part that is no symbol of the rules is a word.

    Where every sentence has one derivation, the entropy of the sentences in nats is that of the
    derivations,

    .. math:: H(A) = \sum_r p_r \Big(-\ln p_r + \sum_{B \in r} H(B)\Big)

    Source: Grenander, Syntax-controlled probabilities, 1967.

    Args:
        rules: The options of each symbol; no symbol may lead back to itself.

    >>> grammar = Productions({"S": options([(1, "a B"), (1, "b B")]), "B": options([(1, "c"), (1, "")])})
    >>> round(grammar.entropy("S") / math.log(2), 6)
    2.0
    >>> grammar.probability("S", ["a", "c"])
    0.25
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._bounds = {
            symbol: list(accumulate(option.probability for option in written)) for symbol, written in rules.items()
        }
        self._words = cache(self._reachable_words)
        self._first_words = cache(self._starts)
        self.beginning = lru_cache(maxsize=2**14)(self._beginning)

    def sample(self, symbol: str, random: Random) -> list[str]:
        """Draw the words of a symbol."""
        if symbol not in self.rules:
            return [symbol]
        written = self.rules[symbol]
        # Rounding may leave the last bound a little under 1.
        chosen = written[min(bisect_right(self._bounds[symbol], random.random()), len(written) - 1)]
        return [word for part in chosen.parts for word in self.sample(part, random)]

    def entropy(self, symbol: str) -> float:
        """Return the entropy of the derivations of a symbol in nats."""

        @cache
        def of(part: str) -> float:
            return math.fsum(
                option.probability * (math.fsum(map(of, option.parts)) - math.log(option.probability))
                for option in self.rules.get(part, ())
            )

        return of(symbol)

    def probability(self, symbol: str, words: Sequence[str]) -> float:
        """Return the probability of some words, summed over their derivations; 0 outside the language."""
        return _Spans(self, words).ends(symbol, 0).get(len(words), 0.0)

    def sentences(self, symbol: str) -> Iterator[tuple[list[str], float]]:
        """List every derivation of a symbol: its words and its probability."""
        if symbol not in self.rules:
            yield [symbol], 1.0
            return
        for option in self.rules[symbol]:
            for words, probability in self._joined(option.parts):
                yield words, option.probability * probability

    def _joined(self, parts: Sequence[str]) -> Iterator[tuple[list[str], float]]:
        """List every way to write some parts one after the other."""
        if not parts:
            yield [], 1.0
            return
        for head, first in self.sentences(parts[0]):
            for tail, second in self._joined(parts[1:]):
                yield head + tail, first * second

    def words(self, symbol: str) -> frozenset[str]:
        """Return the words that a symbol can lead to."""
        return self._words(symbol)

    def _reachable_words(self, symbol: str) -> frozenset[str]:
        if symbol not in self.rules:
            return frozenset([symbol])
        return frozenset(word for option in self.rules[symbol] for part in option.parts for word in self.words(part))

    def _starts(self, symbol: str) -> frozenset[str]:
        """Return the words that a symbol can begin with, and an empty one when it can be nothing."""
        if symbol not in self.rules:
            return frozenset([symbol])
        return frozenset().union(*(self._option_starts(option) for option in self.rules[symbol]))

    def _option_starts(self, option: Option) -> frozenset[str]:
        """Return the same for an option: parts that can be nothing let the next one begin."""
        found: frozenset[str] = frozenset()
        for part in option.parts:
            found |= self._first_words(part)
            if "" not in found:
                return found
            found -= {""}
        return found | {""}

    def _beginning(self, symbol: str, word: str) -> tuple[Option, ...]:
        """Return the options of a symbol that can begin with a word or be nothing."""
        return tuple(option for option in self.rules[symbol] if not self._option_starts(option).isdisjoint((word, "")))

    def lengths(self, symbol: str) -> tuple[int, int]:
        """Return the fewest and the most words that a symbol leads to."""

        @cache
        def of(part: str) -> tuple[int, int]:
            if part not in self.rules:
                return 1, 1
            spans = [[of(inner) for inner in option.parts] for option in self.rules[part]]
            return min(sum(low for low, _ in span) for span in spans), max(
                sum(high for _, high in span) for span in spans
            )

        return of(symbol)


class _Spans:
    """Where each symbol may end in one sentence, with the probability of the words in between."""

    def __init__(self, grammar: Productions, words: Sequence[str]) -> None:
        self._grammar, self._text = grammar, tuple(words)
        self.ends = cache(self._ends)

    def _ends(self, symbol: str, start: int) -> dict[int, float]:
        """Return the probability of ``text[start:end]`` by end."""
        if symbol not in self._grammar.rules:
            return {start + 1: 1.0} if self._text[start : start + 1] == (symbol,) else {}
        found: dict[int, float] = {}
        word = self._text[start] if start < len(self._text) else ""
        for option in self._grammar.beginning(symbol, word):
            for end, probability in self._sequence(option.parts, start).items():
                found[end] = found.get(end, 0.0) + option.probability * probability
        return found

    def _sequence(self, parts: Sequence[str], start: int) -> dict[int, float]:
        """Return the same for parts one after the other."""
        reached = {start: 1.0}
        for part in parts:
            steps = [(end, mass * p) for place, mass in reached.items() for end, p in self.ends(part, place).items()]
            reached = {}
            for end, mass in steps:
                reached[end] = reached.get(end, 0.0) + mass
        return reached
