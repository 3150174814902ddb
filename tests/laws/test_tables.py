"""Every member of a family has a row, so that every law runs on it."""

from __future__ import annotations

import pytest

from latentia import decoders, encoders, nn, objectives, priors
from latentia.functional import schedule
from latentia.recipes.families import members
from tests.laws import tables

FAMILIES = {
    encoders.Encoder: tables.ENCODERS,
    decoders.Decoder: tables.DECODERS,
    priors.Prior: tables.PRIORS,
    objectives.Objective: tables.OBJECTIVES,
    nn.Pooling: tables.POOLINGS,
    nn.PosteriorHead: tables.HEADS,
    schedule.Schedule: tables.SCHEDULES,
}


@pytest.mark.parametrize(("family", "table"), FAMILIES.items(), ids=lambda value: getattr(value, "__name__", "table"))
def test_every_member_has_a_row(family, table):
    assert set(members(family)) == {name.split("-")[0] for name in table}
