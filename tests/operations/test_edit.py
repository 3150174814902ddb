"""Texts that are changed in one respect."""

from __future__ import annotations

import math
import sys

import pytest
import torch

from latentia.cli.operation import command_of
from latentia.decoding import Beam
from latentia.errors import InputError
from latentia.operations import Refused
from latentia.operations.contrast import Contrast, contrast_of, groups_of
from latentia.operations.drafts import Draft, TokenClassifier, best_of, kept
from latentia.operations.refined import refined
from latentia.operations.regions import read
from latentia.operations.swaps import losses_of, swapped
from tests.laws.tables import TEXTS, model, sequential_model, spherical_model
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
    contrast = contrast_of(space, groups_of(space, "cat", (), ()))
    torch.testing.assert_close(contrast.difference, space.encode(CATS).mean(dim=0) - space.encode(DOGS).mean(dim=0))
    lists = contrast_of(space, groups_of(space, "", DOGS, CATS))
    torch.testing.assert_close(lists.difference, contrast.difference)


def test_edited_texts_are_those_of_the_moved_codes(space):
    contrast = contrast_of(space, groups_of(space, "cat", (), ()))
    answers = list(space.edit([DOGS[0], "", DOGS[1]], attribute="cat", strength=2.0))
    assert [each.line for each in answers] == [1, 2, 3]
    assert isinstance(answers[1], Refused)
    codes = space.encode(DOGS[:2]) + 2 * contrast.difference
    assert [answers[0].edited, answers[2].edited] == list(space.written(codes, Beam()))
    assert answers[0].text == DOGS[0]
    assert answers[0].before < answers[0].after
    first = answers[0]
    shown = f"read {first.read:4.2f}  kept {first.kept:4.0%}  {first.edited}"
    assert str(first) == f"{first.before:4.2f} -> {first.after:4.2f}  {shown}"
    groups = groups_of(space, "cat", (), ())
    reader = TokenClassifier(space.tokenizer, groups.without, groups.having)
    assert [first.read] == reader.probability([first.edited])
    assert first.kept == kept(first.text, first.edited)


def test_bad_texts_of_a_list_are_left_out_and_told(space):
    answers = space.edit(DOGS[:1], from_=[*DOGS, "purple"], to=["", *CATS])
    assert list(answers) == list(space.edit(DOGS[:1], from_=DOGS, to=CATS))
    (remark,) = answers.remarks()
    assert "2 left out, the first because line " in remark


def test_unknown_words_of_a_list_are_told(space):
    answers = space.edit(DOGS[:1], from_=[f"{each} purple" for each in DOGS[:2]], to=CATS)
    list(answers)
    told = "2 tokens are unknown to the model, which reads <unk> there"
    assert f"texts to learn the change from: {told}" in answers.remarks()


def test_texts_that_come_back_as_they_were_are_told(space):
    answers = space.edit(DOGS, attribute="cat", strength=0.0, rewrite="words")
    same = sum(each.text == each.edited for each in list(answers))
    told = [each for each in answers.remarks() if "unchanged" in each]
    assert told == [f"{same} texts: unchanged; try more strength or candidates"]


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
        ({"attribute": "cat", "threshold": 0.8}, "threshold is 0.8 and candidates 1"),
        ({"attribute": "cat", "rewrite": "words", "strategy": Beam(7)}, "strategy is Beam and rewrite 'words'"),
        ({"attribute": "cat", "candidates": 2, "strength": -1.0}, "strength is -1: a choice among candidates"),
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


@pytest.mark.parametrize("way", ["means", "normal", "guided"])
def test_the_candidate_is_given_that_keeps_most_of_those_that_have_what_is_wanted(space, way):
    several = list(space.edit(DOGS, attribute="cat", way=way, strength=4.0, candidates=5))
    strengths = [4.0 * number / 5 for number in range(1, 6)]
    alone = [list(space.edit(DOGS, attribute="cat", way=way, strength=each)) for each in strengths]
    for row, best in enumerate(several):
        own = [each[row] for each in alone]
        wanted = [each for each in own if each.read > 0.7]
        assert best in own
        assert best.kept == max(each.kept for each in wanted) if wanted else best.read == max(e.read for e in own)
    assert several != alone[-1]


def draft(read: float, kept: float) -> Draft:
    return Draft(f"{read} {kept}", 1.0, 1.0, read, kept)


def test_what_is_wanted_comes_before_what_is_kept():
    assert best_of([draft(0.5, 0.9), draft(0.7, 0.5), draft(0.9, 0.2)], 0.6).kept == 0.5
    assert best_of([draft(0.4, 0.1), draft(0.3, 0.9)], 0.6).read == 0.4
    assert best_of([draft(0.8, 0.3), draft(0.7, 0.3)], 0.6).read == 0.8


def test_a_reader_knows_the_groups_and_reads_nothing_in_an_empty_text(space):
    """However many texts each has."""
    groups = groups_of(space, "cat", (), ())
    dogs, cats = groups.without, groups.having
    reader = TokenClassifier(space.tokenizer, dogs, cats)
    assert min(reader.probability(CATS)) > 0.5 > max(reader.probability(DOGS))
    few = TokenClassifier(space.tokenizer, dogs, cats.first(2))
    assert min(few.probability(list(cats.first(2).texts()))) > 0.5
    assert reader.probability([""]) == [0.0]


def test_what_is_kept_is_counted_in_words_or_characters():
    assert kept("a b c", "a b c") == 1.0
    assert kept("a b c d", "x y") == 0.0
    assert kept("a a b", "a c") == pytest.approx(2 * 1 / (3 + 2 + 1 + 2 + 1))
    assert kept("CCO", "CCN") == pytest.approx(2 * 3 / (6 + 6))
    assert kept("a", "") == 0.0


def test_a_long_stream_is_edited_in_parts_as_it_is_whole(space, monkeypatch):
    whole = [each.edited for each in space.edit(DOGS, attribute="cat")]
    monkeypatch.setattr(sys.modules["latentia.operations.edit"], "ROWS_AT_A_TIME", 3)
    assert [each.edited for each in space.edit(DOGS, attribute="cat")] == whole


@pytest.mark.parametrize("build", [model, spherical_model])
def test_refined_codes_hold_more_of_their_texts_each_by_itself(build):
    space = labelled_space(build)
    rows, codes = read(space, DOGS)[0], space.encode(DOGS)

    @torch.no_grad()
    def density(where: torch.Tensor) -> torch.Tensor:
        likelihood = space.model.decoder(where[None]).log_prob(rows.whole())[0]
        return likelihood + space.model.unit_prior().log_prob(where)

    closer = refined(space, rows, codes, 30)
    assert (density(closer) > density(codes)).all()
    torch.testing.assert_close(space.supported(closer), closer)
    torch.testing.assert_close(refined(space, rows, codes, 0), codes)
    torch.testing.assert_close(
        refined(space, read(space, DOGS[:1])[0], codes[:1], 30), closer[:1], atol=1e-4, rtol=1e-4
    )


def test_an_edit_begins_at_the_refined_codes(space):
    rows, _ = read(space, DOGS)
    codes = refined(space, rows, space.encode(DOGS), 10)
    answers = space.edit(DOGS, attribute="cat", strength=0.0, refine=10)
    assert [each.edited for each in answers] == list(space.written(codes, Beam()))


def test_words_are_swapped_that_lose_most_and_no_others(space):
    """One after another, as many as the candidates; what stays is the text's own, known to the model or not."""
    rows, codes = read(space, ["the dog ran zyx", "a dog"])[0], space.encode(["the dog ran zyx", "a dog"])
    moved = codes + 5 * torch.randn(codes.shape, generator=torch.Generator().manual_seed(0))
    losses = losses_of(space, rows, codes, moved)
    for count in (1, 2):
        (written,) = swapped(space, rows, codes, moved, [count])
        for text, new, lost in zip(rows.texts(), written, losses, strict=True):
            words = text.split()
            most = set(lost[: len(words)].topk(count).indices.tolist())
            after = new.split()
            assert len(after) == len(words)
            assert all(after[place] == word for place, word in enumerate(words) if place not in most)


def test_swapped_words_are_the_most_probable_under_the_moved_code(space):
    rows, codes = read(space, ["the dog ran here"])[0], space.encode(["the dog ran here"])
    moved = -codes
    ((new,),) = swapped(space, rows, codes, moved, [1])
    place = int(losses_of(space, rows, codes, moved)[0, :4].argmax())
    words, density = ["the", "dog", "ran", "here"], {}
    for word in {each for text in TEXTS for each in text.split()}:
        words[place] = word
        batch = read(space, [" ".join(words)])[0].whole()
        with torch.no_grad():
            density[" ".join(words)] = space.model.decoder(moved[None]).log_prob(batch).item()
    assert new == max(density, key=density.get)


def test_no_more_words_are_swapped_than_must_be(space):
    several = list(space.edit(DOGS, attribute="cat", strength=3.0, rewrite="words", candidates=3))
    one = list(space.edit(DOGS, attribute="cat", strength=3.0, rewrite="words"))
    for best, first in zip(several, one, strict=True):
        assert len(best.edited.split()) == len(best.text.split())
        assert best == first if first.read > 0.7 else best.read >= first.read
