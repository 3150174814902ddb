"""Where samples come from."""

from __future__ import annotations

import pytest
import torch

from latentia.errors import InputError
from latentia.operations.regions import Origin, codes_of, labelled
from tests.laws.tables import TEXTS, model, sequential_model, spherical_model
from tests.operations.labelled import labelled_space

MANY = 20_000


@pytest.fixture
def space():
    return labelled_space()


def drawn(space, **origin):
    return codes_of(space, Origin(**origin))(MANY)


def assert_has_moments(codes, mean, deviation):
    torch.testing.assert_close(codes.mean(dim=0), mean, atol=5 * deviation.max().item() / MANY**0.5, rtol=0)
    torch.testing.assert_close(codes.std(dim=0), deviation, rtol=0.03, atol=0)


def moments(space, texts):
    """Mean and standard deviation of the equal mixture of the posteriors of texts."""
    from latentia.data import Corpus, Selection
    from latentia.operations.regions import posteriors_of

    q = posteriors_of(space, Selection.all_of(Corpus.from_texts(texts, space.tokenizer)))
    return q.mean.mean(dim=0), (q.variance.mean(dim=0) + q.mean.var(dim=0, unbiased=False)).sqrt()


def test_codes_near_texts_are_draws_of_their_posteriors(space):
    texts = TEXTS[:3]
    assert_has_moments(drawn(space, near=texts), *moments(space, texts))


def test_spread_widens_each_posterior(space):
    mean, deviation = moments(space, TEXTS[:1])
    assert_has_moments(drawn(space, near=TEXTS[:1], spread=0.25), mean, 0.25 * deviation)


def test_codes_of_a_label_are_of_its_training_texts_alone(space):
    cats = [text for text in TEXTS if " cat " in text]
    assert_has_moments(drawn(space, label="cat"), *moments(space, cats))
    assert sorted(labelled(space, "cat").texts()) == sorted(cats)
    assert sorted(labelled(space, "cat", others=True).texts()) == sorted(set(TEXTS) - set(cats))


def test_the_aggregate_is_the_mixture_of_all(space):
    assert_has_moments(drawn(space, region="aggregate"), *moments(space, list(TEXTS)))


def test_directions_stay_on_the_sphere():
    codes = codes_of(labelled_space(spherical_model), Origin(near=TEXTS[:2], spread=2.0))(50)
    torch.testing.assert_close(codes.norm(dim=1), torch.ones(50))


@pytest.mark.parametrize("origin", [{"near": TEXTS[:1]}, {"label": "dog"}, {"region": "aggregate"}])
def test_samples_of_an_origin_follow_their_seed(space, origin):
    first = list(space.sample(5, seed=3, **origin))
    assert first == list(space.sample(5, seed=3, **origin)) != list(space.sample(5, seed=4, **origin))


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ({"near": ["the cat"], "label": "cat"}, "near and label are given: give one"),
        ({"label": "cow"}, "no label 'cow': take one of cat, dog"),
        ({"spread": 2.0}, "spread is 2: give it beside"),
        ({"near": ["the cat", ""]}, "text 2 is empty"),
        ({"near": ["purple"]}, "text 1 holds no token"),
        ({"region": "all"}, "region is 'all'"),
        ({"near": "the cat"}, "near is 'the cat'"),
    ],
)
def test_what_cannot_be_drawn_from_is_told(space, origin, message):
    with pytest.raises(InputError, match=message):
        space.sample(2, **origin)


def test_texts_without_labels_have_none_to_draw_from():
    with pytest.raises(InputError, match="training texts have no labels"):
        labelled_space(labels=False).sample(2, label="cat")


def test_codes_of_one_a_token_come_from_their_prior_alone():
    space = labelled_space(sequential_model)
    assert len(list(space.sample(3))) == 3
    with pytest.raises(InputError, match="one code a token"):
        space.sample(2, near=["the cat"])


def test_a_model_is_not_trained_by_being_drawn_from():
    """Posteriors are encoded without gradients."""
    assert not drawn(labelled_space(model), region="aggregate").requires_grad
