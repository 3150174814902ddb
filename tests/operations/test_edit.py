"""Texts that are changed in one respect."""

from __future__ import annotations

import math

import pytest
import torch

from latentia.cli.operation import command_of
from latentia.decoding import Beam
from latentia.errors import InputError
from latentia.operations import Refused
from latentia.operations.contrast import Contrast, contrast_of
from tests.laws.tables import TEXTS, sequential_model, spherical_model
from tests.operations.labelled import labelled_space

CATS, DOGS = ([text for text in TEXTS if f" {who} " in text] for who in ("cat", "dog"))


@pytest.fixture
def space():
    return labelled_space()


@pytest.fixture
def contrast():
    """Two Gaussians whose best plane is not across the difference of their means."""
    spread = torch.tensor([[1.0, 0.0], [0.9, 0.3]])
    without, having = (torch.randn(4000, 2) @ spread.T for _ in range(2))
    return Contrast(without, having + torch.tensor([1.0, 0.0]))


def test_strength_is_in_distances_of_the_means(contrast):
    assert math.isclose(contrast.distance, 1.0, rel_tol=0.1)
    torch.testing.assert_close(contrast.normal.norm(), contrast.difference.norm())


def test_the_normal_is_that_of_the_best_plane(contrast):
    """Of two Gaussians of one covariance it is the covariance's inverse times the difference (Fisher)."""
    centred = torch.cat([each - each.mean(dim=0) for each in (contrast.without, contrast.having)])
    best = torch.linalg.solve(centred.T @ centred / len(centred), contrast.difference)
    assert torch.cosine_similarity(contrast.normal, best, dim=0) > 0.99
    assert torch.cosine_similarity(contrast.normal, contrast.difference, dim=0) < 0.9


def test_probabilities_follow_the_odds(contrast):
    """Log-odds of Gaussians of one covariance are linear; a calibrated classifier has their mean as its slope."""
    codes, wanted = torch.cat([contrast.without, contrast.having]), torch.arange(8000) >= 4000
    for judged in (contrast.probability(codes), contrast.likely(codes)):
        assert abs(judged[wanted].mean() + judged[~wanted].mean() - 1) < 0.02
        bins = [wanted[(judged > low) & (judged <= low + 0.2)].float().mean() for low in (0.2, 0.4, 0.6)]
        for share, middle in zip(bins, (0.3, 0.5, 0.7), strict=True):
            assert abs(share - middle) < 0.12


def test_a_walk_stops_at_the_probability_and_goes_no_further_than_it_must(contrast):
    start = contrast.without[:200]
    walked = contrast.walk(start, strength=20.0, probability=0.8)
    reached = contrast.likely(walked)
    assert (reached > 0.79).all()
    already = contrast.likely(start) >= 0.8
    torch.testing.assert_close(walked[already], start[already])
    assert (reached[~already] < 0.81).all()


def test_a_weak_walk_is_pulled_back(contrast):
    start = contrast.without[:50]
    near, far = ((contrast.walk(start, each, 0.99) - start).norm(dim=1).mean() for each in (0.1, 3.0))
    assert 0 < near < 0.3 * far


def test_the_attribute_is_the_difference_of_the_classes(space):
    contrast = contrast_of(space, "cat", (), ())
    torch.testing.assert_close(contrast.difference, space.encode(CATS).mean(dim=0) - space.encode(DOGS).mean(dim=0))
    lists = contrast_of(space, "", DOGS, CATS)
    torch.testing.assert_close(lists.difference, contrast.difference)


def test_edited_texts_are_those_of_the_moved_codes(space):
    contrast = contrast_of(space, "cat", (), ())
    answers = list(space.edit([DOGS[0], "", DOGS[1]], attribute="cat", strength=2.0))
    assert [each.line for each in answers] == [1, 2, 3]
    assert isinstance(answers[1], Refused)
    codes = space.encode(DOGS[:2]) + 2 * contrast.difference
    assert [answers[0].edited, answers[2].edited] == list(space.written(codes, Beam()))
    assert answers[0].text == DOGS[0]
    assert answers[0].before < answers[0].after
    assert str(answers[0]) == f"{answers[0].before:4.2f} -> {answers[0].after:4.2f}  {answers[0].edited}"


def test_bad_texts_of_a_list_are_left_out_and_told(space):
    answers = space.edit(DOGS[:1], from_=[*DOGS, "purple"], to=["", *CATS])
    assert list(answers) == list(space.edit(DOGS[:1], from_=DOGS, to=CATS))
    (remark,) = answers.remarks()
    assert "2 left out, the first because line " in remark


def test_no_strength_is_a_reconstruction(space):
    texts = [each.edited for each in space.edit(DOGS, attribute="cat", strength=0.0)]
    assert texts == list(map(str, space.reconstruct(DOGS)))


@pytest.mark.parametrize("way", ["means", "normal", "guided"])
def test_every_way_raises_the_probability(way):
    for space in (labelled_space(), labelled_space(spherical_model)):
        for each in space.edit(DOGS, attribute="cat", way=way, strength=3.0):
            assert each.after >= each.before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "not said what to change"),
        ({"from_": DOGS}, "not said what to change"),
        ({"attribute": "cat", "to": CATS}, "an attribute and lists of texts are given"),
        ({"attribute": "cow"}, "no label 'cow': take one of cat, dog"),
        ({"from_": DOGS, "to": "the cat"}, "'the cat' is one text"),
        ({"from_": DOGS, "to": ["", "purple"]}, "text 1 is empty"),
        ({"from_": DOGS, "to": DOGS}, "same mean code"),
        ({"attribute": "cat", "way": "guided", "strength": -1.0}, "strength is -1"),
        ({"attribute": "cat", "probability": 0.8}, "probability is 0.8 and way 'means'"),
        ({"attribute": "cat", "strength": float("nan")}, "strength is nan"),
    ],
)
def test_what_does_not_say_a_change_is_refused(space, given, message):
    with pytest.raises(InputError, match=message):
        space.edit(DOGS, **given)


def test_lists_are_files_on_the_command_line():
    spelled = {option for each in command_of("edit").params for option in each.opts}
    assert {"--from", "--to", "--attribute", "--strength", "--data"} <= spelled
    assert "--from-" not in spelled


def test_one_class_is_no_contrast(space):
    space.training.corpus.labels[:] = 0
    with pytest.raises(InputError, match="all training texts have one label"):
        space.edit(DOGS, attribute="cat")


def test_codes_of_one_a_token_are_not_moved():
    with pytest.raises(InputError, match="one code a token"):
        labelled_space(sequential_model).edit(DOGS, attribute="cat")
