"""Labelled texts with their posteriors, and classifiers that judge texts they have not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentia.data import Selection, Tokenizer
from latentia.distributions import CodeDistribution, concatenated
from latentia.errors import InputError
from latentia.evaluation.aggregate import aggregate_of
from latentia.operations.lines import Located, Refused
from latentia.operations.space import ROWS_AT_A_TIME, Space

Ids = NDArray[np.int64]

FOLDS = 5
ITERATIONS = 1000
"""Most steps of the solver of a logistic regression; it converges long before."""


@dataclass(frozen=True)
class Examples:
    """Labelled texts, each with its line and the posterior of its code.

    Attributes:
        texts: As they were read.
        names: The labels there are, in alphabetic order.
        labels: Place of each text's label among them.
        lines: Number of each text's line, counted from 1.
        posteriors: One row a text.
    """

    texts: list[str]
    names: list[str]
    labels: Ids
    lines: Ids
    posteriors: CodeDistribution

    def __len__(self) -> int:
        """Count the texts."""
        return len(self.texts)

    def at(self, rows: Ids) -> Examples:
        """Take some of them, in an order."""
        chosen = self.posteriors.with_parameters(*(part[torch.from_numpy(rows)] for part in self.posteriors.parameters))
        return Examples([self.texts[row] for row in rows], self.names, self.labels[rows], self.lines[rows], chosen)

    def members(self) -> list[Ids]:
        """Rows of each class."""
        return [np.flatnonzero(self.labels == label) for label in range(len(self.names))]

    def smallest(self) -> int:
        """Count the texts of the smallest class."""
        return min(map(len, self.members()))


@dataclass(frozen=True)
class _Read:
    line: int
    text: str
    posterior: CodeDistribution


def examples_of(space: Space, data: Iterable[tuple[str, str]]) -> tuple[Examples, list[Refused]]:
    """Read and encode labelled texts; those that the model cannot read are refused.

    Raises:
        InputError: If no text can be used.
    """
    rows = [_pair(row) for row in data]
    answers = list(space.answered([text for text, _ in rows], partial(_read, space)))
    read = [answer for answer in answers if isinstance(answer, _Read)]
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    if not read:
        raise refused[0].as_error() if refused else InputError("there is no text", "give some, each with its label")
    lines = np.array([each.line for each in read])
    names, labels = np.unique([rows[line - 1][1] for line in lines], return_inverse=True)
    posteriors = concatenated([each.posterior for each in read])
    return Examples([each.text for each in read], names.tolist(), labels, lines, posteriors), refused


def _pair(row: object) -> tuple[str, str]:
    """Split a row into text and label; of one that is no such pair the text will be refused."""
    match row:
        case (str(text), str(label)) if label:
            return text, label
        case (Located() as text, _):
            return Located("", text.where, text.fault or "malformed"), ""
    return Located("", "", "malformed"), ""


def _read(space: Space, chosen: Selection, lines: list[int]) -> Iterator[_Read]:
    """Encode texts, and give them back in their order."""
    batches = list(chosen.batches(ROWS_AT_A_TIME))
    place = {int(row): place for place, row in enumerate(torch.cat([batch.index for batch in batches]))}
    posteriors = aggregate_of(space.model, batches)
    for line, row, text in zip(lines, chosen.rows.tolist(), chosen.texts(), strict=True):
        own = slice(place[row], place[row] + 1)
        yield _Read(line, text, posteriors.with_parameters(*(part[own] for part in posteriors.parameters)))


def token_counts(tokenizer: Tokenizer, texts: Sequence[str]) -> Any:  # noqa: ANN401 - a sparse matrix of scipy
    """Count the model's tokens in each text, as a sparse matrix ``[N, V]``."""
    from scipy.sparse import csr_matrix

    counts = [Counter(ids) for ids in tokenizer.encode_batch(texts)]
    ends = np.cumsum([0, *map(len, counts)])
    columns = np.fromiter((token for each in counts for token in each), dtype=np.int64, count=ends[-1])
    values = np.fromiter((count for each in counts for count in each.values()), dtype=np.float64, count=ends[-1])
    return csr_matrix((values, columns, ends), shape=(len(texts), tokenizer.vocabulary_size))


def classifier() -> Any:  # noqa: ANN401 - scikit-learn carries no types
    """Return a logistic regression with an L2 penalty of weight 1, to be fitted."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=ITERATIONS)


class Judges:
    """Classifiers of counts of tokens, each fitted to the examples less a part of them.

    Args:
        tokenizer: Cuts the texts.
        examples: What they are fitted to. A text that is alone in its class is left out of none; where there is one
            class, everything belongs to it.
        seed: Of the parts.
    """

    def __init__(self, tokenizer: Tokenizer, examples: Examples, seed: int) -> None:
        """Fit one judge a part to the others."""
        self.tokenizer, self.labels = tokenizer, examples.labels
        self.part, parts = _parts(examples, seed)
        counts = token_counts(tokenizer, examples.texts)
        fitted_to = [self.part != part for part in range(parts)] if len(examples.names) > 1 else []
        self.models = [classifier().fit(counts[rows], self.labels[rows]) for rows in fitted_to]

    def probabilities(self, texts: Sequence[str], sources: Ids, *, own: bool) -> NDArray[np.float64]:
        """Return the probability that each text has the label of its source.

        Args:
            texts: What is judged.
            sources: The row that each came from.
            own: Ask the judge who has not seen the source alone, if there is one; otherwise take the mean of all.
        """
        if not self.models:
            return np.ones(len(texts))
        counts, place = token_counts(self.tokenizer, texts), np.arange(len(texts))
        opinions = np.stack([model.predict_proba(counts)[place, self.labels[sources]] for model in self.models])
        everyones = np.vstack([opinions, opinions.mean(axis=0)])
        chosen: NDArray[np.float64] = everyones[self.part[sources], place] if own else everyones[-1]
        return chosen


def _parts(examples: Examples, seed: int) -> tuple[Ids, int]:
    """Part of each example and the number of parts, over which the texts of one class after another are dealt.

    A text that is alone in its class stands past these parts: a judge without it would not know the class.
    """
    members, draw = examples.members(), np.random.default_rng(seed)
    parts = min(FOLDS, max(map(len, members)))
    part, dealt = np.full(len(examples), parts, dtype=np.int64), 0
    for rows in members:
        if len(rows) > 1:
            part[draw.permutation(rows)] = (dealt + np.arange(len(rows))) % parts
            dealt += len(rows)
    return part, parts
