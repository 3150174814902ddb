"""What decoded text is worth: BLEU of reconstructions, ROUGE-L along interpolations, perplexities of samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from latentia.errors import InputError
from latentia.evaluation.estimates import average, perplexity
from latentia.evaluation.ngram import KneserNey

RESAMPLES = 1000


def require_libraries() -> None:
    """Import the libraries that count matching words, so that their absence is told before hours of decoding.

    Raises:
        InputError: If they are not installed.
    """
    try:
        import rouge_score.rouge_scorer  # noqa: F401
        import sacrebleu  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"decoded text cannot be scored without {error.name}", "install it with: pip install 'latentia[metrics]'"
        ) from None


def reconstruction_bleu(texts: Sequence[str], reconstructions: Sequence[str], seed: int) -> dict[str, Any]:
    """Corpus BLEU in percent, words between white space, with the standard deviation of 1,000 bootstrap resamples.

    Args:
        texts: What was encoded.
        reconstructions: What each was decoded to.
        seed: Of the resamples.

    Source: Papineni et al., BLEU, 2002; the settings are in ``signature`` (Post, A Call for Clarity in Reporting BLEU
    Scores, 2018).
    """
    from sacrebleu.metrics import BLEU

    metric = BLEU(tokenize="none", force=True)
    each = [metric.corpus_score([ours], [[theirs]]) for ours, theirs in zip(reconstructions, texts, strict=True)]
    counts = np.array([[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in each])
    random = np.random.default_rng(seed)
    resampled = [_bleu(counts[random.integers(len(counts), size=len(counts))]) for _ in range(RESAMPLES)]
    return {
        "value": metric.corpus_score(list(reconstructions), [list(texts)]).score,
        "standard_error": float(np.std(resampled)),
        "signature": str(metric.get_signature()),
    }


def interpolation_rouge(ends: Sequence[tuple[str, str]], paths: Sequence[Sequence[str]]) -> dict[str, Any]:
    r"""Mean over pairs and points of ROUGE-L against both ends, in [0, 1], words between white space.

    .. math::
        \tfrac12 \big[ F(y_t, x_a) + F(y_t, x_b) \big], \qquad F(y, x) = \frac{2 \, \mathrm{LCS}(y, x)}{|y| + |x|}

    with ``LCS`` the length of the longest common subsequence of words. The standard error is that of a mean over
    pairs. ``of_the_ends`` is what the two ends score against each other.

    Args:
        ends: The two texts between which each path runs.
        paths: Decoded texts of each path, as many for every pair.

    Source: Lin, ROUGE, 2004, section 3, with ``beta`` 1; Zhang et al., Improving Variational Autoencoders with Density
    Gap-based Regularization, 2022.
    """
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], tokenizer=_Words())

    def score(one: str, other: str) -> float:
        return float(scorer.score(one, other)["rougeL"].fmeasure)

    table = [[(score(a, y) + score(b, y)) / 2 for y in path] for (a, b), path in zip(ends, paths, strict=True)]
    scores = torch.tensor(table, dtype=torch.float64)
    return {
        **average(scores.mean(dim=1)),
        "by_point": scores.mean(dim=0).tolist(),
        "of_the_ends": float(np.mean([score(a, b) for a, b in ends])),
    }


def perplexity_under(model: KneserNey, sequences: Iterable[Sequence[int]]) -> dict[str, Any]:
    """Perplexity a token, EOS counted, under an n-gram model; its standard error takes the model as given."""
    nats, tokens = map(torch.from_numpy, model.negative_log_likelihood(sequences))
    return {**perplexity(nats, tokens), "tokens": int(tokens.sum()), "trained_on": model.tokens}


class _Words:
    """A tokenizer as ``rouge_score`` takes it; its own drops capitals and all that is not a letter or a digit."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()


def _bleu(counts: np.ndarray) -> float:
    """BLEU of sequences whose matches, totals and lengths are known."""
    from sacrebleu.metrics import BLEU

    *grams, ours, theirs = counts.sum(axis=0).tolist()
    half = len(grams) // 2
    return float(BLEU.compute_bleu(grams[:half], grams[half:], ours, theirs, smooth_method="exp").score)
