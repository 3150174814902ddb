"""Texts line by line: each gets an answer or a refusal, and a bad one does not keep the others from theirs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

import numpy as np

from latentia.data import Corpus, Selection, Tokenizer
from latentia.data.reading import clean_text
from latentia.errors import InputError
from latentia.shapes import SPECIAL_TOKENS, UNK

T = TypeVar("T")

LINES_AT_A_TIME = 4096

FAULTS = {
    "empty": ("is empty", "give a text of at least one token"),
    "nul": ("holds NUL", "remove the character"),
    "invalid_utf8": ("is not valid Unicode", "remove its lone surrogates"),
    "over_long": ("is longer than a megabyte", "give a shorter text"),
    "malformed": ("is no string", "give a string"),
}


@dataclass(frozen=True)
class Refused:
    """Why a text got no answer.

    Attributes:
        line: Its number, counted from 1.
        problem: What is wrong.
        remedy: What to do about it.
    """

    line: int
    problem: str
    remedy: str

    def __str__(self) -> str:
        """Name the line."""
        return f"line {self.line} {self.problem}: {self.remedy}"

    def as_error(self) -> InputError:
        """Return the error of a caller who can go on with no line missing."""
        return InputError(f"text {self.line} {self.problem}", self.remedy)


@dataclass(frozen=True)
class Reader:
    """What a model can read: texts of at most ``max_tokens`` tokens, one of them known at least; or parts of such."""

    tokenizer: Tokenizer
    max_tokens: int
    in_part: bool = False

    def problem(self, corpus: Corpus, row: int) -> tuple[str, str] | tuple[()]:
        """Return what keeps the model from reading a text, and the remedy."""
        if self.in_part:
            return ()
        tokens = int(corpus.lengths[row]) - 1
        if tokens > self.max_tokens:
            return f"has {tokens} tokens", f"shorten it to the model's {self.max_tokens}"
        # A text may be written with the word for unknown words, as corpora are that were made so, and as models write.
        if all(token == UNK for token in corpus.tokens(row)) and SPECIAL_TOKENS[UNK] not in corpus.text(row):
            return "holds no token that the model knows", "write it in words of the training texts"
        return ()


class Remarked(Iterator[T]):
    """Answers with something to say about them once the last is given.

    Args:
        answers: What is given.
        remarks: Returns what there is to say.
    """

    def __init__(self, answers: Iterator[T], remarks: Callable[[], Sequence[str]]) -> None:
        """Keep both."""
        self._answers, self.remarks = answers, remarks

    def __next__(self) -> T:
        """Give the next answer."""
        return next(self._answers)


Answer = Callable[[Selection, list[int]], Iterable[T]]
"""Answers usable texts, one for one and in order, given their line numbers."""


def line_by_line(
    texts: Iterable[str],
    reader: Reader,
    answer: Answer[T],
    size: int = LINES_AT_A_TIME,
) -> Iterator[T | Refused]:
    """Yield one answer or refusal a text, in order, as each chunk of them is done.

    Args:
        texts: Any number of them; no more than a chunk is held.
        reader: Tells texts that the model can read from others.
        answer: Answers those that it can.
        size: Texts a chunk.

    Raises:
        InputError: If one text was given in place of many.
    """
    if isinstance(texts, str):  # a sequence of texts to a type checker, and of characters to the model
        raise InputError(f"{texts!r} is one text", "give a list of texts")
    stream, count = iter(texts), itertools.count(1, size)
    chunks = iter(lambda: list(islice(stream, size)), [])
    return chain.from_iterable(_answered(chunk, next(count), reader, answer) for chunk in chunks)


def _answered(chunk: Sequence[str], first: int, reader: Reader, answer: Answer[T]) -> Iterator[T | Refused]:
    """Answer what can be read, and put the answers back between the refusals."""
    cleaned = {line: clean_text(text) for line, text in enumerate(chunk, start=first)}
    refused = {line: Refused(line, *FAULTS[fault]) for line, (_, fault) in cleaned.items() if fault}
    lines = [line for line in cleaned if line not in refused]
    answers: Iterator[T] = iter(())
    if lines:
        corpus = Corpus.from_texts([cleaned[line][0] for line in lines], reader.tokenizer)
        problems = {line: reader.problem(corpus, row) for row, line in enumerate(lines)}
        refused |= {line: Refused(line, *problem) for line, problem in problems.items() if problem}
        rows = np.array([row for row, line in enumerate(lines) if line not in refused], dtype=np.int64)
        if len(rows):
            answers = iter(answer(Selection(corpus, rows), [lines[row] for row in rows]))
    return (refused[line] if line in refused else next(answers) for line in cleaned)
