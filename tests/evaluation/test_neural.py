"""LSTM language models, against a source whose probabilities are exact."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest
import torch

from latentia.data import Corpus, Selection, Word
from latentia.errors import DataError
from latentia.evaluation import NeuralPerplexity, Subject
from latentia.evaluation.neural import LanguageModel
from latentia.functional.importance import mean_and_standard_error
from latentia.shapes import EOS
from tests.laws.tables import subject


class Chain:
    """Words that depend on the one before, or end the sequence; the first and the last state are the end."""

    def __init__(self, words: int = 5) -> None:
        self.table = np.random.default_rng(0).dirichlet(np.full(words + 1, 0.3), size=words + 1) * 0.9
        self.table[:, 0] += 0.1
        self.table[0, 0] = 0
        self.table /= self.table.sum(axis=1, keepdims=True)

    def sample(self, count: int, seed: int) -> list[list[int]]:
        random, sequences = np.random.default_rng(seed), []
        for _ in range(count):
            states = [0]
            while len(states) == 1 or states[-1]:
                states.append(int(random.choice(len(self.table), p=self.table[states[-1]])))
            sequences.append(states[1:-1])
        return sequences

    def nats(self, sequences: list[list[int]]) -> torch.Tensor:
        paths = [[0, *sequence, 0] for sequence in sequences]
        return torch.tensor([-sum(math.log(self.table[a, b]) for a, b in pairwise(path)) for path in paths]).double()


def tokens(sequences: list[list[int]]) -> list[list[int]]:
    return [[state + EOS for state in sequence] for sequence in sequences]


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain()


@pytest.fixture(scope="module")
def examined(chain) -> Subject:
    """Sequences of the chain to train on, and others."""
    texts, fresh = ([" ".join(map(str, each)) for each in chain.sample(count, count)] for count in (900, 300))
    tokenizer = Word().train(texts)
    training, held_out = (Selection.all_of(Corpus.from_texts(each, tokenizer)) for each in (texts, fresh))
    return replace(subject(), tokenizer=tokenizer, training=training, held_out=held_out)


def test_it_comes_near_the_source_and_does_not_pass_it(chain):
    torch.manual_seed(0)
    fresh, model = chain.sample(400, 2), LanguageModel(vocabulary_size=9, features=16)
    model.fit(tokens(chain.sample(1000, 1)), passes=6, learning_rate=5e-2)
    nats, exact = model.negative_log_likelihood(tokens(fresh)), chain.nats(fresh)
    value, error = mean_and_standard_error(nats - exact)
    assert -3 * error < value < 0.05 * exact.mean().item()
    told, count = model.perplexity(tokens(fresh)), sum(map(len, fresh)) + len(fresh)
    assert told["value"] == pytest.approx(math.exp(nats.sum().item() / count))
    assert told["tokens"] == count


def test_padding_changes_nothing():
    torch.manual_seed(0)
    model, text = LanguageModel(9, features=4), [[4, 5, 6, 7], [], [8], [4, 4]]
    alone = torch.cat([model.negative_log_likelihood([each]) for each in text])
    torch.testing.assert_close(model.negative_log_likelihood(text), alone, rtol=1e-5, atol=1e-5)


def test_the_weights_kept_are_those_that_were_best_on_what_was_held_back():
    """A large rate on a handful of sequences soon gets worse."""
    torch.manual_seed(0)
    random = torch.randint(4, 12, (40, 5)).tolist()
    model, passes = LanguageModel(12, features=16), list[int]()
    model.fit(random, passes=30, learning_rate=5e-2, advance=passes.append)
    assert sum(passes) == 30
    assert model.told["passes"] < 30
    assert model.perplexity(random[::10])["value"] == pytest.approx(model.told["held_back"]["value"])
    assert model.told["trained_on"] == 36 * 6


def test_one_sentence_over_and_over_is_likely_and_covers_nothing(examined):
    with patch.object(Subject, "written", lambda *_: [examined.training.corpus.tokens(0)] * 100):
        result = NeuralPerplexity(samples=100, tokens=2500, passes=4, features=16, learning_rate=5e-2).measure(examined)
    assert result["reverse"]["value"] > 1.2 * result["reverse_of_training_text"]["value"]
    assert result["forward"]["standard_error"] == pytest.approx(0, abs=1e-9)
    assert result["models"]["samples"]["trained_on"] < result["models"]["training_text"]["trained_on"]


def test_real_text_in_place_of_samples_is_scored_like_real_text(examined):
    texts = list(examined.training.tokens())[:200]
    with patch.object(Subject, "written", lambda *_: texts):
        result = NeuralPerplexity(samples=200, tokens=2500, passes=4, features=16, learning_rate=5e-2).measure(examined)
    for ours, reference in (("forward", "forward_of_data"), ("reverse", "reverse_of_training_text")):
        assert result[ours]["value"] == pytest.approx(result[reference]["value"], rel=0.15)


def test_too_little_text_is_refused():
    with pytest.raises(DataError, match="one sequence"):
        LanguageModel(9, features=4).fit([[4]], passes=1, learning_rate=1e-3)
