"""The n-gram language model against its equations, written out over dictionaries."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import numpy as np
import pytest
import torch

from latentia.data import Corpus, Grammar
from latentia.data.tokenizer import Word
from latentia.errors import InputError
from latentia.evaluation import KneserNey
from latentia.functional.importance import mean_and_standard_error
from latentia.shapes import BOS, EOS, UNK

VOCABULARY = 12
PREDICTED = [UNK, *range(EOS, VOCABULARY)]


def corpus(seed: int, count: int = 60, exponent: float = 1.5) -> list[list[int]]:
    """Short sequences of words whose frequencies differ, the last two words of the vocabulary never among them."""
    random = Random(seed)
    words = range(4, VOCABULARY - 2)
    weights = [(rank + 1) ** -exponent for rank in range(len(words))]
    return [random.choices(words, weights, k=random.randint(0, 6)) for _ in range(count)]


class Equations:
    """Modified Kneser-Ney as Chen and Goodman write it: sums over all n-grams, nothing stored but their counts."""

    def __init__(self, sequences: list[list[int]], order: int) -> None:
        padded = [(BOS,) * (order - 1) + tuple(sequence) + (EOS,) for sequence in sequences]
        self.counts = {order: Counter(s[i - order + 1 : i + 1] for s in padded for i in range(order - 1, len(s)))}
        for k in range(order - 1, 0, -1):
            self.counts[k] = Counter(gram[1:] for gram in self.counts[k + 1])

    def discount(self, k: int, count: int) -> float:
        n = [sum(c == j for c in self.counts[k].values()) for j in range(5)]
        if 0 in n[1:]:
            return (0.5, 1.0, 1.5)[min(count, 3) - 1]
        y = n[1] / (n[1] + 2 * n[2])
        discounts = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
        estimated = all(0 < d <= j for j, d in enumerate(discounts, start=1))
        return (discounts if estimated else (0.5, 1.0, 1.5))[min(count, 3) - 1]

    def probability(self, word: int, context: tuple[int, ...]) -> float:
        k = len(context) + 1
        below = self.probability(word, context[1:]) if context else 1 / len(PREDICTED)
        counts = [self.counts[k][(*context, w)] for w in PREDICTED if (*context, w) in self.counts[k]]
        if not counts:
            return below
        own = self.counts[k].get((*context, word), 0)
        kept = own - self.discount(k, own) if own else 0.0
        freed = sum(self.discount(k, count) for count in counts)
        return (kept + freed * below) / sum(counts)


def next_token(model: KneserNey, context: list[int]) -> dict[int, float]:
    """Probability of each token after a context that begins a sequence."""
    probabilities = {}
    for word in PREDICTED:
        sequence = context if word == EOS else [*context, word]
        probabilities[word] = math.exp(model.token_log_prob([sequence])[len(context)])
    return probabilities


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [3, 60, 400])
def test_probabilities_are_those_of_the_equations(order, count):
    train, test = corpus(0, count), corpus(1, 30)
    model, equations = KneserNey(train, VOCABULARY, order), Equations(train, order)
    expected = []
    for sequence in test:
        padded = [BOS] * (order - 1) + sequence + [EOS]
        expected += [
            equations.probability(padded[place], tuple(padded[place - order + 1 : place]))
            for place in range(order - 1, len(padded))
        ]
    assert model.token_log_prob(test) == pytest.approx(np.log(expected), rel=1e-12)


def test_estimated_and_fixed_discounts_both_occur():
    """The comparison above covers both branches."""
    many, few = Equations(corpus(0, 400), 3), Equations(corpus(0, 3), 3)
    assert few.discount(3, 1) == 0.5
    assert many.discount(3, 1) not in (0.5, 1.0)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "context",
    [
        pytest.param([], id="the beginning"),
        pytest.param([4], id="seen"),
        pytest.param([4, 5, 4], id="seen at lower orders"),
        pytest.param([VOCABULARY - 1, 4], id="a word never seen, then one that was"),
        pytest.param([4, VOCABULARY - 1], id="a word never seen"),
        pytest.param([UNK, VOCABULARY - 1, VOCABULARY - 2], id="none of it seen"),
    ],
)
def test_probabilities_sum_to_one_and_none_is_zero(order, context):
    probabilities = next_token(KneserNey(corpus(2), VOCABULARY, order), context)
    assert math.fsum(probabilities.values()) == pytest.approx(1, rel=1e-12)
    assert min(probabilities.values()) > 0


def test_a_single_sequence_is_enough():
    assert math.fsum(next_token(KneserNey([[]], VOCABULARY, 3), [4]).values()) == pytest.approx(1)


def test_its_own_text_is_likelier_than_to_a_model_of_shuffled_words():
    text = Grammar().sample(300, seed=1)[0]
    tokenizer = Word().train(text)
    sequences = tokenizer.encode_batch(text)
    words = [word for sequence in sequences for word in sequence]
    Random(0).shuffle(words)
    supply = iter(words)
    shuffled = [[next(supply) for _ in sequence] for sequence in sequences]
    own, other = (KneserNey(data, tokenizer.vocabulary_size) for data in (sequences, shuffled))
    assert own.negative_log_likelihood(sequences)[0].sum() < 0.7 * other.negative_log_likelihood(sequences)[0].sum()


def test_no_model_codes_the_grammar_below_its_entropy():
    """It is a code: on sentences that it was not trained on it does not pass the source, and it comes near."""
    grammar = Grammar()
    train, fresh = grammar.sample(5000, seed=1)[0], grammar.sample(300, seed=2)[0]
    tokenizer = Word().train(train)
    model = KneserNey(tokenizer.encode_batch(train), tokenizer.vocabulary_size)
    nats, tokens = map(torch.from_numpy, model.negative_log_likelihood(tokenizer.encode_batch(fresh)))
    assert tokens.tolist() == (Corpus.from_texts(fresh, tokenizer).words + 1).tolist()
    value, error = mean_and_standard_error(nats)
    assert value > grammar.entropy() - 3 * error
    exact = torch.tensor([-grammar.log_probability(text) for text in fresh], dtype=torch.float64)
    value, error = mean_and_standard_error(nats - exact)
    assert 0 < value - 3 * error < value < 4


def test_nats_and_tokens_are_those_of_each_sequence():
    model, sequences = KneserNey(corpus(3), VOCABULARY), [[4, 5, 6], [], [7]]
    nats, tokens = model.negative_log_likelihood(sequences)
    assert tokens.tolist() == [4, 1, 2]
    assert nats == pytest.approx([-model.token_log_prob([sequence]).sum() for sequence in sequences])


@pytest.mark.parametrize(
    ("sequences", "order", "told"),
    [([], 3, "no sequence"), ([[4]], 0, "order is 0"), ([[VOCABULARY]], 3, "not one of 12"), ([[-1]], 1, "not one of")],
)
def test_what_cannot_be_trained_on_is_named(sequences, order, told):
    with pytest.raises(InputError, match=told):
        KneserNey(sequences, VOCABULARY, order)
