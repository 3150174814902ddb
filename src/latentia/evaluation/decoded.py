"""The part of an evaluation that decodes: reconstructions, samples from the prior, interpolations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from latentia.data import Selection
from latentia.decoding import Ancestral, Greedy
from latentia.errors import DataError
from latentia.evaluation.diversity import copying, diversity
from latentia.evaluation.ngram import KneserNey
from latentia.evaluation.subject import Advance, Subject
from latentia.evaluation.text import interpolation_rouge, perplexity_under, reconstruction_bleu

POINTS, ORDER, TEMPERATURE = 11, 3, 1.0
"""Points of an interpolation, both ends counted; order of the language model; temperature of the samples."""

NO_PATH = {"value": None, "standard_error": None, "pairs": 0, "points": POINTS}
"""Interpolation where codes have no path between them."""

FEWEST = 4
"""Sequences that make two pairs, so that there is a standard error."""


def decodings(subject: Subject, count: int) -> int:
    """Codes that are decoded for so many sequences."""
    count = min(count, len(subject.held_out))
    return 2 * count + (count // 2 * POINTS if subject.model.whole_codes else 0)


def measure_decoded(subject: Subject, count: int, advance: Advance = lambda _: None) -> dict[str, Any]:
    """Decode and score: every entry says what it was estimated from, and how the text was decoded.

    ``reconstruction`` is BLEU of what posterior centres decode to; ``interpolation`` is ROUGE-L, against the two
    corpus sequences, of what lies between their centres. Of as many samples from the prior, ``forward`` is the
    perplexity under an n-gram model of the training text and ``reverse`` that of the whole held-out text under an
    n-gram model of the samples. ``forward_of_data`` and ``reverse_of_training_text`` are the same for real text in
    place of the samples, in the second as many tokens of it. ``diversity`` and ``copied`` are of the samples,
    ``diversity_of_data`` and ``copied_of_data`` of as many held-out sequences, passed through the tokenizer.

    Between codes of one a step there is no path, and ``interpolation`` is none of no pairs.

    Args:
        subject: What is measured; its seed chooses the sequences, their order and the samples.
        count: Sequences to decode, at most those held out.
        advance: Called with the number of codes decoded.

    Raises:
        DataError: If fewer than four sequences are to be decoded.
    """
    chosen = subject.held_out.shuffled(subject.seed).first(count)
    if len(chosen) < FEWEST:
        raise DataError(f"there are {len(chosen)} sequences to decode", f"give and ask for at least {FEWEST}")
    texts, codes = list(chosen.texts()), subject.centres(chosen)
    samples = prior_samples(subject, len(chosen), advance)
    return {
        "sequences": len(chosen),
        "seed": subject.seed,
        "max_tokens": subject.max_tokens,
        "reconstruction": {
            **reconstruction_bleu(texts, _greedy(subject, codes, advance), subject.seed),
            "decoding": "posterior centres, greedy",
        },
        **_perplexities(subject, samples),
        **_variety(subject, samples, chosen),
        "interpolation": _interpolation(subject, texts, codes, advance) if subject.model.whole_codes else NO_PATH,
    }


def _greedy(subject: Subject, codes: Tensor, advance: Advance) -> list[str]:
    return subject.texts(subject.written(codes, Greedy(), advance))


def prior_samples(subject: Subject, count: int, advance: Advance = lambda _: None) -> list[list[int]]:
    """Draw codes from the prior and tokens at temperature 1, from one stream of noise: the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(subject.seed)
        codes = subject.model.sample(count, subject.steps)
        return subject.written(codes, Ancestral(TEMPERATURE), advance)


def _perplexities(subject: Subject, samples: list[list[int]]) -> dict[str, Any]:
    size, held_out, training = (
        subject.tokenizer.vocabulary_size,
        subject.held_out,
        subject.training.shuffled(subject.seed),
    )
    of_training, of_samples = KneserNey(training.tokens(), size, ORDER), KneserNey(samples, size, ORDER)
    of_as_much = KneserNey(training.holding(of_samples.tokens).tokens(), size, ORDER)
    return {
        "samples": {
            "sequences": len(samples),
            "tokens": of_samples.tokens,
            "cut_off": sum(len(ids) == subject.max_tokens for ids in samples),
            "decoding": f"{'prior' if subject.model.whole_codes else 'prior fitted to the codes'}, ancestral",
            "temperature": TEMPERATURE,
        },
        "language_model": {"smoothing": "interpolated modified Kneser-Ney", "order": ORDER, "vocabulary": size},
        "forward": perplexity_under(of_training, samples),
        "forward_of_data": perplexity_under(of_training, held_out.tokens()),
        "reverse": perplexity_under(of_samples, held_out.tokens()),
        "reverse_of_training_text": perplexity_under(of_as_much, held_out.tokens()),
    }


def _variety(subject: Subject, samples: list[list[int]], real: Selection) -> dict[str, Any]:
    """How much the samples repeat one another and the training set, and how much real text does."""
    return {
        f"{name}{source}": numbers
        for source, ids in (("", samples), ("_of_data", list(real.tokens())))
        for name, numbers in (
            ("diversity", diversity(subject.texts(ids))),
            ("copied", copying(ids, subject.training.tokens)),
        )
    }


def _interpolation(subject: Subject, texts: list[str], codes: Tensor, advance: Advance) -> dict[str, Any]:
    """Walk between each two neighbours on the shortest way of the space."""
    ends = list(zip(texts[::2], texts[1::2], strict=False))
    share = torch.linspace(0, 1, POINTS)
    paths = [subject.model.path(start, end, share) for start, end in zip(codes[::2], codes[1::2], strict=False)]
    points = _greedy(subject, torch.cat(paths), advance)
    return {
        **interpolation_rouge(ends, [points[first : first + POINTS] for first in range(0, len(points), POINTS)]),
        "pairs": len(ends),
        "points": POINTS,
        "decoding": "between posterior centres, greedy",
        "ends": "corpus sequences",
    }
