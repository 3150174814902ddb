"""Every member of a family has a row, so that every law runs on it."""

from __future__ import annotations

import pytest
from torch.distributions import Distribution

from latentia import (
    auxiliaries,
    decoders,
    distributions,
    encoders,
    evaluation,
    models,
    nn,
    objectives,
    priors,
    training,
)
from latentia.functional import schedule
from latentia.recipes.families import members
from tests.laws import tables

FAMILIES = {
    models.TextModel: tables.MODELS,
    encoders.Encoder: tables.ENCODERS,
    encoders.Refinement: tables.REFINEMENTS,
    encoders.StepwiseEncoder: tables.STEPWISE_ENCODERS,
    decoders.Decoder: tables.DECODERS,
    priors.Prior: tables.PRIORS,
    priors.StepwisePrior: tables.STEPWISE_PRIORS,
    auxiliaries.Auxiliary: tables.AUXILIARIES,
    auxiliaries.WordMask: tables.MASKS,
    objectives.Objective: tables.OBJECTIVES,
    nn.Noise: tables.NOISES,
    nn.Pooling: tables.POOLINGS,
    nn.PosteriorHead: tables.HEADS,
    training.StepPlan: tables.PLANS,
    schedule.Schedule: tables.SCHEDULES,
    evaluation.Measure: tables.MEASURES,
}


@pytest.mark.parametrize(("family", "table"), FAMILIES.items(), ids=lambda value: getattr(value, "__name__", "table"))
def test_every_member_has_a_row(family, table):
    assert set(members(family)) == {name.split("-")[0] for name in table}


def test_every_distribution_over_codes_has_a_row():
    named = (getattr(distributions, name) for name in distributions.__all__)
    kinds = {kind.__name__ for kind in named if isinstance(kind, type) and issubclass(kind, Distribution)}
    rows = {*tables.DISTRIBUTIONS, *tables.STEP_DISTRIBUTIONS}
    assert kinds - {"CodeDistribution", "GaussianMixture", "TokenSequence"} == rows
