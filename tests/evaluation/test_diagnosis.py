"""Verdicts from numbers that are given: each fault gives its own, and a sound run gives none."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from functools import reduce
from operator import getitem

import pytest
import yaml

from latentia.evaluation.diagnosis import Evidence, History, Number, diagnose
from latentia.recipes.library import load_recipe


def estimate(value: float, error: float = 0.01) -> dict:
    return {"value": value, "standard_error": error}


def thin(value: float, expected: float = 0.01) -> dict:
    return {**estimate(value), "expected": expected}


def validation(step: int, bound: float) -> dict:
    return {"split": "validation", "step": step, "epoch": step // 100, "best_step": step, "loss": bound}


def step_record(step: int, bound: float) -> dict:
    return {"split": "train", "step": step, "epoch": step // 100, "negative_elbo": bound, "weight_kl": 1.0}


def sound() -> Evidence:
    """A space of four dimensions, neither collapsed nor holed, well trained."""
    dimensions = [{"index": place, "kl": estimate(1.0), "variance_of_means": estimate(0.6)} for place in (2, 0, 3, 1)]
    evaluation = {
        "kl": 4.0,
        "standard_errors": {"kl": 0.02},
        "mutual_information": {**estimate(3.5), "cap": 7.6},
        "active_units": 4,
        "latent_dim": 4,
        "joint_gap": 0.4,
        "marginal_gap_per_dimension": [0.01, 0.3, 0.02, 0.2],
        "measures": {
            "CodeUse": {
                "swap_cost": estimate(12.0),
                "noise_cost": estimate(4.0),
                "noise_share": estimate(0.6),
                "different_texts": estimate(1.0),
            },
            "Dominance": {what: [estimate(0.1)] * 4 for what in ("length", "first_token")},
            "Generalisation": {
                "training": estimate(4.0),
                "held_out": estimate(4.5),
                "training_mode": estimate(4.3),
                "gap": estimate(0.5),
                "regularisation_cost": estimate(0.3),
            },
            "Holes": {
                "thin": thin(0.02),
                "text": {
                    "bad": {**estimate(0.06), "expected": 0.05},
                    "worst": [{"text": "of of of", "nats_a_token": 9.0}],
                },
                "two_sample": {"p_value": 0.2},
            },
            "Information": {"dimensions": dimensions},
            "Representation": {
                "linear": estimate(0.8),
                "bag_of_words": estimate(0.9),
                "majority": estimate(0.3),
            },
        },
    }
    records = [step_record(step, 100 - step / 100) for step in range(10, 1000, 10)]
    records += [validation(step, 100.0) for step in range(100, 1001, 100)]
    return Evidence(evaluation, History(records, 1000, 1000, finished=True, passes=10.0, lines=20_000))


def with_numbers(**numbers: dict) -> Evidence:
    """The sound run with some numbers of some measures replaced."""
    evidence = sound()
    evaluation = copy.deepcopy(evidence.evaluation)
    for name, values in numbers.items():
        evaluation["measures"][name].update(values)
    return replace(evidence, evaluation=evaluation)


def with_history(**changes: object) -> Evidence:
    evidence = sound()
    return replace(evidence, history=replace(evidence.history, **changes))


NOTHING_SAID = {"mutual_information": {**estimate(0.001), "cap": 7.6}, "active_units": 0}
FEW_SEEN = {"gap": estimate(0.01), "regularisation_cost": estimate(0.02)}


def collapsed(kl: float) -> Evidence:
    evidence = with_numbers(CodeUse={"swap_cost": estimate(0.01)})
    return replace(evidence, evaluation={**evidence.evaluation, **NOTHING_SAID, "kl": kl})


def half_active(active: int) -> Evidence:
    evidence = sound()
    evaluation = copy.deepcopy(evidence.evaluation) | {"active_units": active}
    for dimension in evaluation["measures"]["Information"]["dimensions"][active:]:
        dimension["variance_of_means"] = estimate(0.001, 0.001)
    return replace(evidence, evaluation=evaluation)


CASES = {
    "collapsed": lambda: collapsed(0.01),
    "rate without information": lambda: collapsed(4.8),
    "latent ignored": lambda: with_numbers(CodeUse={"swap_cost": estimate(0.01)}),
    "posterior variance vanishing": lambda: with_numbers(
        CodeUse={"noise_share": estimate(0.001, 0.0001), "noise_cost": estimate(0.001)}
    ),
    "holes": lambda: with_numbers(Holes={"thin": thin(0.35)}),
    "under-trained": lambda: with_history(steps=400, finished=False, passes=4.0),
    "too little data": lambda: with_numbers(Generalisation={"gap": estimate(2.0)}),
    "over-regularised decoder": lambda: with_numbers(
        Generalisation={"regularisation_cost": estimate(1.5), "gap": estimate(0.1)}
    ),
    "partly collapsed": lambda: half_active(1),
    "form dominates": lambda: with_numbers(Dominance={"length": [estimate(0.9)] * 3 + [estimate(0.1)]}),
    "labels unrelated": lambda: with_numbers(Representation={"linear": estimate(0.3), "bag_of_words": estimate(0.29)}),
    "numerical trouble": lambda: with_history(records=[*sound().history.records, step_record(555, float("inf"))]),
}


def test_a_leap_of_the_kl_is_told_though_the_records_average_it_away():
    leap = {"split": "leap", "step": 321, "epoch": 3, "kl": 9e3, "median": 5.0}
    [verdict] = diagnose(with_history(records=[*sound().history.records, leap]))
    assert verdict.name == "numerical trouble"
    assert ("leaps of the KL, the first at step", "1, 321") in verdict.facts


def test_a_sound_run_has_no_verdict():
    assert diagnose(sound()) == []


@pytest.mark.parametrize("name", CASES)
def test_a_fault_has_its_verdict_and_no_other(name):
    [verdict] = diagnose(CASES[name]())
    assert verdict.name == name
    assert not verdict.healthy
    assert verdict.confidence > 0.9
    assert verdict.facts
    assert "`" in verdict.remedy or name.startswith("labels")
    assert verdict.reason


@pytest.mark.parametrize("name", CASES)
def test_a_remedy_names_recipes_and_settings_that_there_are(name):
    [verdict] = diagnose(CASES[name]())
    for recipe in re.findall(r"--recipe ([\w-]+)", verdict.remedy):
        load_recipe(recipe)
    default = load_recipe("default")
    for path, value in re.findall(r"--set ([\w.]+)=(\w*)", verdict.remedy):
        default.with_settings([(path, yaml.safe_load(value) or 1)])
    for path in re.findall(r"`((?:model|training|objective)[\w.]*)`", verdict.remedy):
        reduce(getitem, path.split("."), default.settings)


def test_a_rare_label_that_words_tell_is_not_unrelated():
    """Beside a label of 96 %, the words that tell a third of the others add little to the share told right."""
    rare = {"majority": estimate(0.96), "bag_of_words": estimate(0.973), "linear": estimate(0.972)}
    assert diagnose(with_numbers(Representation=rare)) == []


def test_what_is_worth_knowing_is_no_fault():
    [pruned] = diagnose(half_active(3))
    assert (pruned.name, pruned.healthy) == ("partly collapsed", True)
    assert dict(pruned.facts)["unused dimensions"] == "1"
    [one] = diagnose(with_numbers(Dominance={"length": [estimate(0.9), *[estimate(0.1)] * 3]}))
    assert (one.name, one.healthy) == ("form dominates", True)
    assert one.sentence.startswith("25% of the KL")
    [lost] = diagnose(with_numbers(Representation={"linear": estimate(0.3)}))
    assert (lost.name, lost.healthy) == ("labels not in the codes", True)


def test_a_unit_near_the_threshold_is_less_surely_unused():
    evidence = half_active(3)
    evidence.evaluation["measures"]["Information"]["dimensions"][3]["variance_of_means"] = estimate(0.0099, 0.001)
    [verdict] = diagnose(evidence)
    assert verdict.confidence == pytest.approx(0.54, abs=0.01)


def test_holes_are_said_to_be_somewhere():
    [verdict] = diagnose(CASES["holes"]())
    facts = dict(verdict.facts)
    assert facts["dimensions of the largest KL(p(z_i) || q(z_i)), nats, quadrature"] == "1 (0.3), 3 (0.2), 2 (0.02)"
    assert facts["written there, for instance"] == "'of of of'"


def test_holes_between_narrow_posteriors_are_seen_in_what_is_written_there():
    bad = {**estimate(0.4), "expected": 0.05}
    [verdict] = diagnose(with_numbers(Holes={"text": {"bad": bad, "worst": []}}))
    assert verdict.name == "holes"
    assert "35%" in verdict.sentence
    assert "worse text" in verdict.sentence
    [elsewhere] = diagnose(with_numbers(Holes={"thin": thin(0.4)}))
    assert "no text is encoded" in elsewhere.sentence


def test_of_few_codes_more_of_the_prior_is_beyond_all_of_them():
    assert diagnose(with_numbers(Holes={"thin": thin(0.12, expected=1 / 9)})) == []


def test_information_at_its_cap_is_not_called_a_waste():
    evidence = sound()
    information = {**estimate(7.5), "cap": 7.6}
    assert (
        diagnose(replace(evidence, evaluation={**evidence.evaluation, "kl": 40.0, "mutual_information": information}))
        == []
    )


def test_of_a_code_that_says_nothing_it_is_not_said_how_it_is_spent():
    evidence = with_numbers(
        CodeUse={"swap_cost": estimate(0.01)}, Dominance={"length": [estimate(0.9)] * 4}, Holes={"thin": thin(0.9)}
    )
    silent = replace(evidence, evaluation={**evidence.evaluation, **NOTHING_SAID, "kl": 0.01})
    assert [verdict.name for verdict in diagnose(silent)] == ["collapsed"]


def test_a_dimension_that_is_not_used_stands_for_nothing():
    evidence = half_active(3)
    evidence.evaluation["measures"]["Dominance"]["length"] = [estimate(0.1), estimate(0.9), *[estimate(0.1)] * 2]
    assert [verdict.name for verdict in diagnose(evidence)] == ["partly collapsed"]


def test_faults_come_before_what_is_worth_knowing():
    evidence = half_active(3)
    evidence.evaluation["measures"]["Holes"]["thin"] = thin(0.4)
    assert [verdict.name for verdict in diagnose(evidence)] == ["holes", "partly collapsed"]


def test_a_run_that_saw_its_text_once_and_has_no_gap_is_under_trained():
    evidence = with_numbers(Generalisation=FEW_SEEN)
    assert diagnose(evidence) == []
    [verdict] = diagnose(replace(evidence, history=replace(evidence.history, passes=1.0)))
    assert verdict.name == "under-trained"
    assert "epochs" in verdict.remedy


def test_a_curve_that_still_falls_is_under_trained_and_an_early_stop_is_not():
    falling = [validation(step, 200 - step / 10) for step in range(100, 1001, 100)]
    [verdict] = diagnose(with_history(records=falling))
    assert verdict.name == "under-trained"
    assert diagnose(with_history(steps=600)) == []


def test_long_sequences_are_no_spike_and_a_jump_is():
    jump = [step_record(step, 250.0 if step == 550 else 100.0) for step in range(10, 1000, 10)]
    [verdict] = diagnose(with_history(records=jump))
    assert dict(verdict.facts)["the first, at step"] == "550"
    lengths = [step_record(step, 130.0 if step % 50 else 75.0) for step in range(10, 1000, 10)]
    assert diagnose(with_history(records=lengths)) == []


def test_what_was_not_measured_gives_no_verdict():
    evidence = sound()
    none = {name: {"not_measured": "the codes are one a step"} for name in evidence.evaluation["measures"]}
    information = {"value": None, "standard_error": None, "cap": 7.6}
    evaluation = {**evidence.evaluation, "measures": none, "mutual_information": information, "joint_gap": None}
    assert diagnose(replace(evidence, evaluation=evaluation)) == []


def test_confidence_is_the_normal_probability_of_a_side():
    assert Number(1.0, 0.5).above(1.0) == pytest.approx(0.5)
    assert Number(2.0, 0.5).below(1.0) == pytest.approx(0.0228, abs=1e-3)
    assert Number(2.0, 0.0).above(1.0) == 0.999
