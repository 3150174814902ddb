"""Texts line by line: each gets an answer or a refusal, and a bad one does not keep the others from theirs."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import TypeVar

import numpy as np

from latentia.data import Corpus, Selection, Tokenizer
from latentia.data.reading import Record, clean_text
from latentia.errors import InputError
from latentia.shapes import SPECIAL_TOKENS, UNK

T = TypeVar("T")

LINES_AT_A_TIME = 8192

FAULTS = {
    "empty": ("is empty", "give a text of at least one token"),
    "nul": ("holds NUL", "remove the character"),
    "invalid_utf8": ("is not valid Unicode", "save it as UTF-8, without lone surrogates"),
    "over_long": ("is longer than a megabyte", "give a shorter text"),
    "malformed": ("holds no text, or lacks its label", "give a string, and a label where one is asked for"),
}


class Located(str):
    """A text that knows where it stands, or the kind of fault that kept it from being read there.

    ``where`` is its place in a file, ``file:line``; ``line`` its number among others that came with it, on which hangs
    what is drawn for it, or 0 where it is to be counted.
    """

    __slots__ = ("fault", "line", "where")

    where: str
    fault: str
    line: int

    def __new__(cls, text: str, where: str = "", fault: str = "", line: int = 0) -> Located:
        """Keep all four."""
        located = super().__new__(cls, text)
        located.where, located.fault, located.line = where, fault, line
        return located


@dataclass(frozen=True)
class Refused:
    """Why a text got no answer.

    Attributes:
        line: Its number, counted from 1.
        problem: What is wrong.
        remedy: What to do about it.
        where: The place in its file, ``file:line``; empty of a text from elsewhere.
    """

    line: int
    problem: str
    remedy: str
    where: str = ""

    def __str__(self) -> str:
        """Name the line."""
        return f"{self.where or f'line {self.line}'} {self.problem}: {self.remedy}"

    def as_error(self) -> InputError:
        """Return the error of a caller who can go on with no line missing."""
        return InputError(f"{self.where or f'text {self.line}'} {self.problem}", self.remedy)


@dataclass(frozen=True)
class Reader:
    """What a model can read: texts of at most ``max_tokens`` tokens, one of them known at least; or parts of such."""

    tokenizer: Tokenizer
    max_tokens: int
    in_part: bool = False

    def problems(self, corpus: Corpus) -> Iterator[tuple[int, str, str]]:
        """Yield each row that the model cannot read, what keeps it from that, and the remedy."""
        sizes = corpus.lengths - 1
        unknown = corpus.count(UNK, np.arange(len(corpus))) == sizes
        bad = (unknown | (sizes > self.max_tokens)) & (not self.in_part)
        for row in np.flatnonzero(bad).tolist():
            if sizes[row] > self.max_tokens:
                yield row, f"has {sizes[row]} tokens", f"shorten it to the model's {self.max_tokens}"
            # A text may hold the word for unknown words: corpora are made so, and models write it.
            elif SPECIAL_TOKENS[UNK] not in corpus.text(row):
                yield row, "holds no token that the model knows", "write it in words of the training texts"


class Remarked(Iterator[T]):
    """Answers with something to say about them once the last is given.

    Args:
        answers: What is given.
        remarks: Returns what there is to say.
    """

    def __init__(self, answers: Iterator[T], remarks: Callable[[], Sequence[str]]) -> None:
        """Keep both."""
        self._answers, self.remarks = answers, remarks

    @classmethod
    def of(cls, answers: Iterator[object], others: Iterator[T]) -> Remarked[T]:
        """Say of others what there is to say of some answers."""
        return cls(others, answers.remarks if isinstance(answers, Remarked) else lambda: ())

    def __next__(self) -> T:
        """Give the next answer."""
        return next(self._answers)


def also_said(answers: Iterator[T], remarks: Callable[[], Sequence[str]]) -> Remarked[T]:
    """Say more of answers."""
    before = answers.remarks if isinstance(answers, Remarked) else lambda: ()
    return Remarked(answers, lambda: [*before(), *remarks()])


Answer = Callable[[Selection, list[int]], Iterable[T]]
"""Answers usable texts, one for one and in order, given their line numbers."""


def line_by_line(
    texts: Iterable[str],
    reader: Reader,
    answer: Answer[T],
    size: int = LINES_AT_A_TIME,
) -> Remarked[T | Refused]:
    """Yield one answer or refusal a text, in order, as each chunk of them is done.

    At the end it can be said how many tokens were unknown, and what answers say of themselves: see `remarks_of`.

    Args:
        texts: Any number of them; no more than two chunks are held.
        reader: Tells texts that the model can read from others.
        answer: Answers those that it can.
        size: Texts a chunk.

    Raises:
        InputError: If one text was given in place of many.
    """
    if isinstance(texts, str):  # a sequence of texts to a type checker, and of characters to the model
        raise InputError(f"{texts!r} is one text", "give a list of texts")
    stream, firsts = iter(texts), itertools.count(1, size)
    chunks = iter(lambda: list(islice(stream, size)), [])
    read = _one_ahead(partial(_read, chunk, next(firsts), reader) for chunk in chunks)
    unknown, said = _Unknown(), Counter[str]()
    answers = chain.from_iterable(_answered(unknown.counted(chunk), answer) for chunk in read)
    return Remarked(_counted(answers, said), lambda: [*unknown.remarks(), *remarks_on(said)])


def _one_ahead(pieces: Iterator[Callable[[], T]]) -> Iterator[T]:
    """Yield what each piece of work returns; the next is done on a thread while the caller makes use of one.

    Tokenising holds no lock of Python's, nor do the products of a network, so that the two go on side by side.
    """
    with ThreadPoolExecutor(1) as thread:
        for first in islice(pieces, 1):
            done = first()
            for later in pieces:
                waiting = thread.submit(later)
                yield done
                done = waiting.result()
            yield done


@dataclass(frozen=True)
class _Chunk:
    """Lines as they were read: each is refused or readable; of the readable ones there is a selection, if any are.

    Refusals go by the place in the chunk.
    """

    texts: Sequence[str]
    refused: dict[int, Refused]
    readable: tuple[tuple[Selection, list[int]], ...]


@dataclass
class _Unknown:
    """Counts the tokens of readable texts that the model does not know."""

    count: int = 0

    def counted(self, chunk: _Chunk) -> _Chunk:
        """Count those of some lines."""
        for chosen, _ in chunk.readable:
            self.count += unknown_in(chosen)
        return chunk

    def remarks(self) -> list[str]:
        """Say how many there were, if there were any."""
        return remarks_on_unknown(self.count)


def unknown_in(chosen: Selection) -> int:
    """Count the tokens that the model does not know."""
    counts = chosen.corpus.count(UNK, chosen.rows)
    holding = Selection(chosen.corpus, chosen.rows[counts > 0])
    return sum(map(not_written, counts[counts > 0].tolist(), holding.texts()))


def not_written(unknown: int, text: str) -> int:
    """Leave out of a text's unknown tokens the word for them, where it is written."""
    return unknown - text.count(SPECIAL_TOKENS[UNK]) if unknown else 0


def remarks_on_unknown(count: int) -> list[str]:
    """Say how many tokens are unknown, if any are."""
    tokens = "1 token is" if count == 1 else f"{count:,} tokens are"
    return [f"{tokens} unknown to the model, which reads {SPECIAL_TOKENS[UNK]} there"] if count > 0 else []


def remarks_of(answers: Iterable[object]) -> list[str]:
    """Say how many answers have which ``remark``, a property of those whose reader should beware of some."""
    said = Counter[str]()
    deque(_counted(answers, said), maxlen=0)
    return remarks_on(said)


def _counted(answers: Iterable[T], said: Counter[str]) -> Iterator[T]:
    """Count what answers say of themselves as they pass."""
    for answer in answers:
        if remark := getattr(answer, "remark", ""):
            said[remark] += 1
        yield answer


def remarks_on(said: Counter[str]) -> list[str]:
    """Say of how many texts there is which remark."""
    return [f"{count:,} {'text' if count == 1 else 'texts'}: {remark}" for remark, count in said.items()]


def _read(texts: Sequence[str], first: int, reader: Reader) -> _Chunk:
    """Clean and tokenise some lines, and refuse what cannot be read."""
    lines = [_line(text, number) for number, text in enumerate(texts, start=first)]
    cleaned = [_cleaned(text) for text in texts]
    refused = {place: Refused(lines[place], *FAULTS[fault]) for place, (_, fault) in enumerate(cleaned) if fault}
    usable = [place for place in range(len(texts)) if place not in refused]
    if not usable:
        return _Chunk(texts, refused, ())
    corpus = Corpus.from_records([Record(cleaned[place][0], "", "") for place in usable], reader.tokenizer)
    for row, *problem in reader.problems(corpus):
        refused[usable[row]] = Refused(lines[usable[row]], *problem)
    rows = np.array([row for row, place in enumerate(usable) if place not in refused], dtype=np.int64)
    readable = ((Selection(corpus, rows), [lines[usable[row]] for row in rows]),) if len(rows) else ()
    return _Chunk(texts, refused, readable)


def _line(text: object, number: int) -> int:
    """Return the number that a text brings, or else the one that it is counted by."""
    return text.line or number if isinstance(text, Located) else number


def _answered(chunk: _Chunk, answer: Answer[T]) -> Iterator[T | Refused]:
    """Answer what can be read, and put the answers back between the refusals."""
    answers = chain.from_iterable(answer(*readable) for readable in chunk.readable)
    places = range(len(chunk.texts))
    each = (chunk.refused[place] if place in chunk.refused else next(answers) for place in places)
    return map(_placed, each, chunk.texts)


def _cleaned(text: object) -> tuple[str, str]:
    """Return a clean text, or the kind of its fault."""
    return ("", text.fault) if isinstance(text, Located) and text.fault else clean_text(text)


def _placed(answer: T | Refused, text: str) -> T | Refused:
    """Say of a refused text where it stands, if it knows."""
    refused = isinstance(answer, Refused) and isinstance(text, Located)
    return replace(answer, where=text.where) if refused else answer  # type: ignore[type-var, attr-defined]
