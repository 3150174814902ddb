"""Laws of operations: every one on every recipe, with weights as they are drawn."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch

from latentia import operations
from latentia.cli.answers import _as_json
from latentia.decoding import Ancestral, Beam, Greedy
from latentia.errors import InputError
from latentia.operations import Refused, TextSpace
from latentia.operations.lines import line_by_line
from latentia.recipes import load_recipe, recipe_names
from tests.laws.tables import TEXTS
from tests.operations.labelled import labelled_space
from tests.operations.test_operation import FUNCTIONS
from tests.recipes.test_recipes import TINY

BAD = "purple"
LINES = [*TEXTS[:3], BAD, *TEXTS[3:5]]
LABELLED = [(text, text.split()[1]) for text in TEXTS]

CALLS: dict[str, Callable[[TextSpace], Iterator[object]]] = {
    "sample": lambda space: space.sample(3, strategy=Ancestral(top_k=3)),
    "reconstruct": lambda space: space.reconstruct(LINES, strategy=Beam(2)),
    "interpolate": lambda space: space.interpolate(*TEXTS[:2], steps=3, strategy=Greedy()),
    "traverse": lambda space: space.traverse(TEXTS[0], dimension=1, steps=3, strategy=Greedy()),
    "analogy": lambda space: space.analogy(*TEXTS[:3], strategy=Greedy()),
    "augment": lambda space: space.augment([*LABELLED, (BAD, "cat")], threshold=0, strategy=Ancestral()),
    "decode": lambda space: operations.decode(space, space.encode(TEXTS[:2]), strategy=Greedy()),
    "encode": lambda space: operations.encode(space, LINES),
    "neighbours": lambda space: space.neighbours(TEXTS[0], 2, data=LINES),
    "cluster": lambda space: space.cluster(LINES, k=2, strategy=Greedy()),
    "outliers": lambda space: space.outliers(LINES, 2, samples=2),
    "score": lambda space: space.score(LINES, samples=3),
    "edit": lambda space: space.edit(LINES, attribute="cat", strategy=Greedy()),
    "impute": lambda space: space.impute([*(f"{text} ___" for text in LINES[:2]), BAD], sweeps=1),
}
OF_TEXTS = {"reconstruct", "augment", "encode", "neighbours", "cluster", "outliers", "score", "edit", "impute"}
"""Those that are given a bad text."""

STREAMED = {
    "reconstruct": lambda space, texts: space.reconstruct(texts, strategy=Greedy()),
    "encode": operations.encode,
    "score": lambda space, texts: space.score(texts, samples=2),
    "edit": lambda space, texts: space.edit(texts, attribute="cat", strategy=Greedy()),
    "impute": lambda space, texts: space.impute((f"{text} ___" for text in texts), sweeps=1),
}


def test_every_operation_is_called_here():
    assert set(CALLS) == set(FUNCTIONS)


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_operation_answers_on_every_recipe_or_says_why_not(recipe):
    space = labelled_space(load_recipe(recipe).with_settings(TINY).model)
    state = torch.get_rng_state()
    for name, call in CALLS.items():
        answers = _answers(call, space)
        if isinstance(answers, str):
            assert "one code a token" in answers, name
            assert not space.model.whole_codes, name
            continue
        refused = [each for each in answers if isinstance(each, Refused)]
        assert len(refused) == (name in OF_TEXTS), name
        assert len(answers) > len(refused), name
        assert all(json.loads(_as_json(each)) for each in answers), name
    assert torch.equal(state, torch.get_rng_state())


def _answers(call: Callable[[TextSpace], Iterator[object]], space: TextSpace) -> list[object] | str:
    """Return all answers, or why there are none."""
    try:
        return list(call(space))
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("name", STREAMED)
def test_an_operation_answers_before_it_has_read_all(name, monkeypatch):
    """Of an endless stream no more is read than the lines at hand and those that come next."""
    monkeypatch.setattr("latentia.operations.space.line_by_line", partial(line_by_line, size=2))
    read = itertools.count()
    texts = (text for text, _ in zip(itertools.cycle(TEXTS), read, strict=False))
    answers = STREAMED[name](labelled_space(), texts)
    assert not isinstance(next(answers), Refused)
    assert next(read) <= 4


def test_new_texts_are_written_as_they_are_taken():
    assert isinstance(next(labelled_space().sample(2**40, strategy=Greedy())), str)
