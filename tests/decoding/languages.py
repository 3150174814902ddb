"""A decoder of four words, and every text that it can write."""

from __future__ import annotations

import itertools
import math

import torch

from latentia.decoding.base import Likelihood
from latentia.distributions import TokenSequence
from latentia.shapes import BOS, EOS, PAD
from tests.laws.tables import D, model

WORDS = (1, 4, 5, 6)
"""UNK and three more."""

LONGEST = 5

TEXTS = [text for n in range(LONGEST + 1) for text in itertools.product(WORDS, repeat=n)]


def likelihood(codes: int = 1, seed: int = 1, spread: float = 0.8) -> TokenSequence:
    torch.manual_seed(seed)
    vae = model().eval()
    for parameter in vae.decoder.parameters():
        torch.nn.init.normal_(parameter, std=spread)
    return vae.decoder(torch.randn(1, codes, D))


@torch.no_grad()
def log_probabilities(distribution: TokenSequence) -> dict[tuple[int, ...], float]:
    """Return log p of every text of one code: with EOS, or cut off after the longest."""
    scores = Likelihood(distribution)
    found: dict[tuple[int, ...], float] = {}
    texts: list[tuple[int, ...]] = [()]
    log_weight, state = scores.start()
    totals = torch.zeros(1)
    for _ in range(LONGEST):
        found |= dict(zip(texts, (totals + log_weight[:, EOS]).tolist(), strict=True))
        texts = [(*text, word) for text in texts for word in WORDS]
        totals = (totals[:, None] + log_weight[:, WORDS]).flatten()
        words = torch.tensor(WORDS).repeat(len(log_weight))
        log_weight, state = scores.step(tuple(part.repeat_interleave(len(WORDS), 0) for part in state), words)
    found |= dict(zip(texts, totals.tolist(), strict=True))
    assert math.isclose(sum(map(math.exp, found.values())), 1.0, rel_tol=1e-4)
    assert not {PAD, BOS, EOS} & set(WORDS)
    return found


def occurrences(phrase: tuple[int, ...], text: tuple[int, ...]) -> int:
    """Count where a phrase stands, overlapping or not."""
    return sum(text[start : start + len(phrase)] == phrase for start in range(len(text) - len(phrase) + 1))


def in_order(phrases: list[tuple[int, ...]], text: tuple[int, ...]) -> bool:
    """Tell whether phrases stand one after another."""
    place = 0
    for phrase in phrases:
        starts = [s for s in range(place, len(text) - len(phrase) + 1) if text[s : s + len(phrase)] == phrase]
        if not starts:
            return False
        place = starts[0] + len(phrase)
    return True
