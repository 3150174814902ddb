"""What is worked out of the training texts is worked out once, and changes no answer."""

from __future__ import annotations

import sys

import pytest

from latentia.decoding import Greedy
from latentia.operations import TextSpace
from latentia.operations.space import KEPT
from tests.laws.tables import TEXTS
from tests.operations.labelled import labelled_space

CALLS = {
    "outliers": ("latentia.operations.outliers._reference", lambda space: space.outliers(TEXTS[:3], 2, samples=2)),
    "edit": (
        "latentia.operations.edit.contrast_of",
        lambda space: space.edit(TEXTS[:2], attribute="cat", strategy=Greedy()),
    ),
    "sample": (
        "latentia.operations.regions.posteriors_of",
        lambda space: space.sample(2, label="dog", strategy=Greedy()),
    ),
    "neighbours": ("latentia.operations.neighbours._of_training", lambda space: space.neighbours(TEXTS[0], 2)),
}


@pytest.mark.parametrize("name", CALLS)
def test_asked_twice_an_operation_learns_once_and_answers_alike(name, monkeypatch):
    place, call = CALLS[name]
    space = labelled_space()
    first = list(map(str, call(space)))
    _forbid(monkeypatch, place)
    assert list(map(str, call(space))) == first
    with pytest.raises(AssertionError, match="worked out again"):
        list(call(labelled_space()))


def _forbid(monkeypatch, place: str) -> None:
    """Forbid a function of a module, which the function of its name hides from others."""
    module, _, name = place.rpartition(".")
    monkeypatch.setattr(sys.modules[module], name, _not_again)


def _not_again(*_: object) -> None:
    raise AssertionError("worked out again")


def test_lists_of_texts_are_learned_from_whenever_they_are_given(monkeypatch):
    space = labelled_space()
    lists = {"from_": TEXTS[:2], "to": TEXTS[2:4]}
    list(space.edit(TEXTS[:1], **lists, strategy=Greedy()))
    _forbid(monkeypatch, "latentia.operations.edit.contrast_of")
    with pytest.raises(AssertionError, match="worked out again"):
        list(space.edit(TEXTS[:1], **lists, strategy=Greedy()))


def test_what_is_longest_unused_is_forgotten():
    space: TextSpace = labelled_space()
    asked = []
    for number in [*range(KEPT), 0, KEPT, 0, 1]:
        assert space.kept((number,), lambda number=number: asked.append(number) or number) == number
    assert asked == [*range(KEPT), KEPT, 1]
