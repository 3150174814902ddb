"""Outliers of a model that knows sixteen sentences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentia.data import Corpus, Selection, Word
from latentia.operations import Refused, TextSpace
from latentia.operations.outliers import _quantile, _reference
from tests.laws.tables import TEXTS, D, model

ODD = ["now now sat the", "dog ran", "here the the cat here"]


@pytest.fixture(scope="module")
def space() -> TextSpace:
    torch.manual_seed(0)
    words = Word().train(TEXTS)
    corpus = Corpus.from_texts(TEXTS * 3, words)
    vae = model(words.vocabulary_size)
    optimizer = torch.optim.Adam(vae.parameters(), 0.02)
    batches = list(Selection.all_of(corpus).batches(48))
    for _ in range(60):
        for batch in batches:
            run = vae(batch)
            (latent,) = run.latents
            kl = torch.distributions.kl_divergence(latent.posterior, latent.prior)
            optimizer.zero_grad()
            (0.03 * kl - run.log_likelihood).mean().backward()
            optimizer.step()
    return TextSpace(vae.eval(), words, 12, lambda: Selection.all_of(corpus))


def test_planted_nonsense_is_found(space):
    data = [*TEXTS, ODD[0], *TEXTS, ODD[1], "", *TEXTS, ODD[2]]
    *found, refused = space.outliers(iter(data), 3)
    assert {each.text for each in found} == set(ODD)
    assert {each.line for each in found} == {17, 34, 52}
    assert refused == Refused(35, "is empty", "give a text of at least one token")
    assert all(each.quantile <= 2 / 40 for each in found)


def test_training_texts_are_not_odd(space):
    """The quantiles of the texts that are compared with are spread evenly."""
    found = list(space.outliers(TEXTS * 3, 48, samples=100))
    assert len(found) == 48
    assert np.mean([each.likelihood_quantile for each in found]) == pytest.approx(0.5, abs=0.1)
    assert all(each.quantile == min(1, 2 * min(each.likelihood_quantile, each.density_quantile)) for each in found)
    assert [each.quantile for each in found] == sorted(each.quantile for each in found)


def test_a_training_text_does_not_vouch_for_itself():
    """Posteriors far from each other: with its own in the aggregate each training text would lie in the thick of it."""
    words = Word().train(TEXTS)
    vae = model(words.vocabulary_size).eval()
    with torch.no_grad():
        for weight in vae.encoder.parameters():
            weight.mul_(8)
        vae.encoder.posterior.parameters_of.bias[D:] = -12.0
    corpus = Corpus.from_texts(TEXTS, words)
    apart = TextSpace(vae, words, 12, lambda: Selection.all_of(corpus))
    posteriors = apart.atlas.posteriors
    with_own = posteriors.mixture_log_prob(posteriors.centre).sort().values
    assert bool((_reference(apart, 2, 0).log_density < with_own).all())


def test_a_quantile_counts_the_value_itself():
    reference = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    values = torch.tensor([0.0, 2.0, 9.0], dtype=torch.float64)
    torch.testing.assert_close(_quantile(values, reference), torch.tensor([0.25, 0.75, 1.0]))


def test_the_rank_of_a_long_text_is_that_of_its_tokens(space):
    """Two sentences that the model knows, one after the other, are less likely than one, but hardly less a token."""
    texts = ["the cat sat here now now", "the cat sat here"]
    found = sorted(space.outliers(texts, 2, samples=20), key=lambda each: each.line)
    for each, scored in zip(found, space.score(texts, samples=20), strict=True):
        assert each.log_likelihood == pytest.approx(scored.log_likelihood / scored.tokens, rel=1e-4)
    assert found[0].log_likelihood > found[1].log_likelihood - 0.5
