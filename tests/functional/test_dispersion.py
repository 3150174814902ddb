"""How far apart features are, and that pooling spreads them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentia.data import Corpus, Grammar, Word
from latentia.encoders import LSTMEncoder
from latentia.functional.dispersion import mean_cosine_distance
from latentia.nn import Clean, GaussianHead, SequenceDropout
from tests.laws.tables import POOLINGS


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_it_is_the_mean_over_all_pairs(scale):
    features = scale * (torch.randn(30, 5) + 1)
    cosines = torch.nn.functional.cosine_similarity(features[:, None].double(), features.double(), dim=-1)
    pairs = ~torch.eye(30, dtype=torch.bool)
    torch.testing.assert_close(mean_cosine_distance(features), (1 - cosines[pairs]).mean())


def test_rows_that_hardly_differ_are_told_apart():
    """A tenth of a millionth of their length apart in float64, beside 4,000 others."""
    features = torch.ones(4000, 64, dtype=torch.float64) + 1e-7 * torch.randn(4000, 64, dtype=torch.float64)
    assert mean_cosine_distance(features).item() == pytest.approx(1e-14, rel=0.2)


def test_ends():
    row = torch.randn(1, 8)
    assert mean_cosine_distance(row).item() == 0
    assert mean_cosine_distance(row.repeat(5, 1)).item() == pytest.approx(0, abs=1e-12)
    assert mean_cosine_distance(torch.cat([row, -row])).item() == pytest.approx(2)
    assert mean_cosine_distance(torch.zeros(4, 3)).item() == 1


@pytest.fixture(scope="module")
def sentences():
    texts = Grammar().sample(500, seed=0)[0]
    corpus = Corpus.from_texts(texts, Word().train(texts))
    return corpus.batch(np.arange(500))


@pytest.mark.parametrize("name", [name for name in POOLINGS if name != "LastState"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_fresh_encoder_disperses_pooled_features_more_than_last_states(name, seed, sentences):
    """The last states of different sentences are nearly alike, which the paper holds a cause of collapse.

    Of the built-in grammar; on the Penn Treebank mean states are the closer ones (docs/remedies/pooling.md).
    """
    torch.manual_seed(seed)
    size = int(sentences.tokens.max()) + 1
    encoder = LSTMEncoder(size, POOLINGS[name](), GaussianHead(64, 4), SequenceDropout(), Clean(), 64, 64).eval()
    with torch.no_grad():
        states, _ = encoder.recurrence(encoder.embedding(sentences.tokens))
        pooled, last = (mean_cosine_distance(POOLINGS[kind]()(states, sentences)) for kind in (name, "LastState"))
    assert pooled > 1.1 * last
