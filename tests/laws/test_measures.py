"""Laws of measures: every one is deterministic JSON that says how it was made, on every kind of model."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
import torch

from latentia.errors import DataError, RecipeError
from latentia.recipes.build import build, validate
from tests.laws.tables import MEASURES, SUBJECTS, fitting, subject

CASES = [(name, kind) for name in MEASURES for kind in SUBJECTS]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_measure_is_json_with_lines_or_says_why_it_does_not_fit(name, kind):
    measure, examined, done = MEASURES[name](), subject(kind), []
    if reason := measure.unfit(examined):
        assert len(reason.split()) > 3
        return
    result = measure.measure(examined, done.append)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert sum(done) == measure.work(examined) > 0
    lines = measure.lines(result)
    assert lines
    assert all(len(line) == 3 and all(isinstance(cell, str) for cell in line) for line in lines)


@pytest.mark.parametrize("count", [2, 3, 4, 8])
@pytest.mark.parametrize("name", MEASURES)
def test_of_few_sequences_a_measure_is_json_or_says_why_it_does_not_fit(name, count):
    """Of a single one, the evaluation that every measure stands beside is refused."""
    measure, whole = MEASURES[name](), fitting(MEASURES[name]())
    few = replace(whole, held_out=whole.held_out.first(count))
    if not measure.unfit(few):
        result = measure.measure(few)
        assert json.loads(json.dumps(result, allow_nan=False)) == result


@pytest.mark.parametrize("name", MEASURES)
def test_the_least_settings_give_json(name):
    """Of each whole number in turn; two where one is refused."""
    usual, examined = MEASURES[name](), fitting(MEASURES[name]())
    kind = type(usual)
    for key in (key for key, value in usual.settings.items() if isinstance(value, int)):
        for least in (1, 2):
            with suppress(RecipeError, DataError):
                measure = build(kind, validate(kind, {**usual.settings, key: least}), {})
                if not measure.unfit(examined):
                    result = measure.measure(examined)
                    assert json.loads(json.dumps(result, allow_nan=False)) == result, (key, least)
                    assert measure.lines(result)


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_is_the_same_again(name):
    """And leaves the generator of its caller alone."""
    measure = MEASURES[name]()
    examined, again = fitting(measure), fitting(measure)
    first, state = measure.measure(examined), torch.get_rng_state()
    assert measure.measure(again) == first
    assert torch.get_rng_state().equal(state)


@pytest.mark.parametrize("name", MEASURES)
def test_every_number_has_a_standard_error(name):
    def check(node: object, path: str) -> None:
        if isinstance(node, dict):
            if "value" in node:
                assert "standard_error" in node, path
            for key, below in node.items():
                check(below, f"{path}.{key}")
        if isinstance(node, list):
            for place, below in enumerate(node):
                check(below, f"{path}[{place}]")

    measure = MEASURES[name]()
    check(measure.measure(fitting(measure)), name)


@pytest.mark.parametrize("name", MEASURES)
def test_settings_make_the_measure_again(name):
    measure = MEASURES[name]()
    kind = type(measure)
    assert build(kind, validate(kind, measure.settings), {}).settings == measure.settings


def test_measures_do_not_touch_the_weights():
    for name in MEASURES:
        measure = MEASURES[name]()
        examined = fitting(measure)
        before = {key: tensor.clone() for key, tensor in examined.model.state_dict().items()}
        measure.measure(examined)
        for key, tensor in examined.model.state_dict().items():
            assert tensor.equal(before[key]), f"{name} changed {key}"
            assert tensor.grad is None
        assert not examined.model.training
