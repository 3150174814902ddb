"""The part of an evaluation that decodes: reconstructions, samples from the prior, interpolations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from latentia.data import Corpus
from latentia.errors import DataError
from latentia.evaluation.ngram import KneserNey
from latentia.evaluation.text import interpolation_rouge, perplexity_under, reconstruction_bleu
from latentia.operations import Ancestral, Greedy, Strategy, TextSpace, decode

Advance = Callable[[int], None]

POINTS, ORDER, TEMPERATURE = 11, 3, 1.0
"""Points of an interpolation, both ends counted; order of the language model; temperature of the samples."""

NO_PATH = {"value": None, "standard_error": None, "pairs": 0, "points": POINTS}
"""Interpolation where codes have no path between them."""

FEWEST = 4
"""Sequences that make two pairs, so that there is a standard error."""

ROWS_AT_A_TIME = 256


@dataclass(frozen=True)
class Rows:
    """Some rows of a corpus."""

    corpus: Corpus
    rows: np.ndarray

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    def tokens(self) -> Iterator[list[int]]:
        """Yield the ids of each row, without EOS."""
        return (self.corpus.tokens(row) for row in self.rows)

    def shuffled(self, seed: int) -> Rows:
        """Put the rows in an order that the seed decides."""
        return Rows(self.corpus, np.random.default_rng(seed).permutation(self.rows))

    def first(self, count: int) -> Rows:
        """Take the first of them."""
        return Rows(self.corpus, self.rows[:count])

    def holding(self, tokens: int) -> Rows:
        """Take the first of them that hold so many tokens together, EOS counted; all if they hold fewer."""
        return self.first(int(np.searchsorted(np.cumsum(self.corpus.lengths[self.rows]), tokens)) + 1)


def decodings(space: TextSpace, count: int) -> int:
    """Codes that are decoded for so many sequences."""
    return 2 * count + (count // 2 * POINTS if space.model.whole_codes else 0)


def measure_decoded(
    space: TextSpace, held_out: Rows, training: Rows, count: int, seed: int, advance: Advance = lambda _: None
) -> dict[str, Any]:
    """Decode and score: every entry says what it was estimated from, and how the text was decoded.

    ``reconstruction`` is BLEU of what posterior centres decode to; ``interpolation`` is ROUGE-L, against the two
    corpus sequences, of what lies between their centres. Of as many samples from the prior, ``forward`` is the
    perplexity under an n-gram model of the training text and ``reverse`` that of the whole held-out text under an
    n-gram model of the samples. ``forward_of_data`` and ``reverse_of_training_text`` are the same for real text in
    place of the samples, in the second as many tokens of it.

    Between codes of one a step there is no path, and ``interpolation`` is none of no pairs.

    Args:
        space: The trained space.
        held_out: What to evaluate on.
        training: What the space was trained on.
        count: Sequences to decode, at most those held out.
        seed: Of the choice of sequences, their order and the samples.
        advance: Called with the number of codes decoded.

    Raises:
        DataError: If fewer than four sequences are held out.
    """
    if len(held_out) < FEWEST:
        raise DataError(f"there are {len(held_out)} sequences to decode", f"give at least {FEWEST}")
    chosen = held_out.shuffled(seed).first(count)
    texts, codes = [chosen.corpus.text(row) for row in chosen.rows], _centres(space, chosen)
    return {
        "sequences": len(chosen),
        "seed": seed,
        "max_tokens": space.max_tokens,
        "reconstruction": {
            **reconstruction_bleu(texts, _texts(space, _ids(space, codes, Greedy(), advance)), seed),
            "decoding": "posterior centres, greedy",
        },
        **_perplexities(space, held_out, training.shuffled(seed), _samples(space, len(chosen), seed, advance)),
        "interpolation": _interpolation(space, texts, codes, advance) if space.model.whole_codes else NO_PATH,
    }


def _centres(space: TextSpace, chosen: Rows) -> Float[Tensor, "N *code"]:
    parts = np.array_split(chosen.rows, -(-len(chosen) // ROWS_AT_A_TIME))
    with torch.no_grad():
        return torch.cat([space.model.centres(chosen.corpus.batch(part), space.steps) for part in parts])


def _samples(space: TextSpace, count: int, seed: int, advance: Advance) -> list[list[int]]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        codes = space.model.sample(count, space.steps)
        return _ids(space, codes, Ancestral(TEMPERATURE), advance)


def _perplexities(space: TextSpace, held_out: Rows, training: Rows, samples: list[list[int]]) -> dict[str, Any]:
    size = space.tokenizer.vocabulary_size
    of_training, of_samples = KneserNey(training.tokens(), size, ORDER), KneserNey(samples, size, ORDER)
    of_as_much = KneserNey(training.holding(of_samples.tokens).tokens(), size, ORDER)
    return {
        "samples": {
            "sequences": len(samples),
            "tokens": of_samples.tokens,
            "cut_off": sum(len(ids) == space.max_tokens for ids in samples),
            "decoding": f"{'prior' if space.model.whole_codes else 'prior fitted to the codes'}, ancestral",
            "temperature": TEMPERATURE,
        },
        "language_model": {"smoothing": "interpolated modified Kneser-Ney", "order": ORDER, "vocabulary": size},
        "forward": perplexity_under(of_training, samples),
        "forward_of_data": perplexity_under(of_training, held_out.tokens()),
        "reverse": perplexity_under(of_samples, held_out.tokens()),
        "reverse_of_training_text": perplexity_under(of_as_much, held_out.tokens()),
    }


def _interpolation(space: TextSpace, texts: list[str], codes: Tensor, advance: Advance) -> dict[str, Any]:
    """Walk between each two neighbours on the shortest way of the space."""
    ends = list(zip(texts[::2], texts[1::2], strict=False))
    share = torch.linspace(0, 1, POINTS)
    paths = [space.model.path(start, end, share) for start, end in zip(codes[::2], codes[1::2], strict=False)]
    points = _texts(space, _ids(space, torch.cat(paths), Greedy(), advance))
    return {
        **interpolation_rouge(ends, [points[first : first + POINTS] for first in range(0, len(points), POINTS)]),
        "pairs": len(ends),
        "points": POINTS,
        "decoding": "between posterior centres, greedy",
        "ends": "corpus sequences",
    }


def _ids(space: TextSpace, codes: Float[Tensor, "N *code"], strategy: Strategy, advance: Advance) -> list[list[int]]:
    ids = []
    for part in codes.split(ROWS_AT_A_TIME):
        ids += decode(space.model.decoder(part[None]), strategy, space.max_tokens)
        advance(len(part))
    return ids


def _texts(space: TextSpace, ids: list[list[int]]) -> list[str]:
    return [space.tokenizer.decode(sequence) for sequence in ids]
