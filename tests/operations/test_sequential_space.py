"""The space of a model of one code a token."""

from __future__ import annotations

import pytest
import torch

from latentia.data import Word
from latentia.decoding import Greedy
from latentia.errors import InputError
from latentia.operations import TextSpace
from tests.laws.tables import D, sequential_model

STEPS = 7


@pytest.fixture
def space() -> TextSpace:
    tokenizer = Word().train(["a b c"])
    vae = sequential_model(tokenizer.vocabulary_size).eval()
    for weight in vae.decoder.parameters():
        torch.nn.init.normal_(weight, std=0.8)
    return TextSpace(vae, tokenizer, max_tokens=STEPS - 1)


def test_samples_follow_their_seed_and_leave_the_generator_alone(space):
    state = torch.get_rng_state()
    first = list(space.sample(5, seed=3))
    assert first == list(space.sample(5, seed=3)) != list(space.sample(5, seed=4))
    assert torch.equal(state, torch.get_rng_state())


def test_texts_are_reconstructed_from_their_means(space):
    codes = space.encode(["a b c", "a"])
    assert codes.shape == (2, STEPS, D)
    answers = space.reconstruct(["a b c", "a"], strategy=Greedy())
    assert space.decode(codes.double().numpy(), Greedy()) == [each.reconstruction for each in answers]


def test_codes_come_in_the_order_of_the_texts(space):
    texts = ["a b c", "a", "b c"]
    for text, code in zip(texts, space.encode(texts), strict=True):
        torch.testing.assert_close(space.encode([text])[0], code)


def test_a_text_of_the_greatest_length_has_a_code_for_its_end(space):
    """A decoder that never ends asks for one code more than there are tokens."""
    space.model.decoder.vocabulary.bias.data[3] = -1e4
    assert [len(text.split()) for text in space.sample(2)] == [STEPS - 1] * 2


def test_there_is_no_way_between_two_texts(space):
    with pytest.raises(InputError, match=r"no path.*vae"):
        space.interpolate("a b", "c c c")


@pytest.mark.parametrize(
    "codes", [[[1.0, 2.0, 3.0]], [[[1.0, 2.0, 3.0]]], [[[1.0] * D] * STEPS, [[float("nan")] * D] * STEPS]]
)
def test_codes_of_another_shape_are_refused(space, codes):
    with pytest.raises(InputError):
        space.decode(codes)
