"""Requests drawn from the server's own description; `benchmarks/serving_contract.py` draws many more."""

from __future__ import annotations

from dataclasses import replace

import pytest
import schemathesis
from benchmarks.serving_contract import EXPECTED, LIMITS
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from latentia.server import create_app, listening
from latentia.server.routes import operations_of
from tests.operations.labelled import labelled_space

# The library that draws requests has ways that its own library of drawing warns of.
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")

CHECKS = {check: {"expected-statuses": statuses} for check, statuses in EXPECTED.items()}

MAPS = ["map", "map_points", "map_texts", "map_column", "map_code", "map_places", "map_nearest"]

FEW = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)


@pytest.fixture(scope="module")
def described():
    """The description of a small server, and the way to ask it."""
    limits = replace(LIMITS, deadline=600, read=600)
    application = create_app({"tiny": labelled_space()}, limits=limits)
    config = SchemathesisConfig.from_dict({"checks": CHECKS})
    with listening(application) as port, pytest.MonkeyPatch.context() as patched:
        # A map of neighbours is refused for a minute until it is there: 503, which elsewhere is a fault.
        patched.setattr("latentia.server.map.chart.find_spec", lambda _: None)
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json", config=config)


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("name", [*operations_of(), "embeddings", "models", "healthz", *MAPS])
def test_answers_are_as_described(described, name, mode):
    operation = described.find_operation_by_id(name)
    if mode is GenerationMode.NEGATIVE and name in ("models", "healthz"):
        pytest.skip("nothing can be asked wrongly")

    @FEW
    @given(case=operation.as_strategy(generation_mode=mode))
    def answered(case: schemathesis.Case) -> None:
        case.call_and_validate()

    answered()
