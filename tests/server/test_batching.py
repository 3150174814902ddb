"""What is answered together is what would be answered alone."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest

from latentia.server import Limits, create_app
from latentia.server.batching import Ticket, Worker
from latentia.server.calls import TOGETHER
from latentia.server.map.routes import Work
from tests.laws.tables import TEXTS
from tests.server.conftest import PATIENT, REQUESTS, asker, gathered

TEXTS_OF = [TEXTS[:2], [TEXTS[2], "purple", TEXTS[3]], [TEXTS[1]], ["a cat sat", *TEXTS[4:6]]]
CODES_OF = [[[0.0, 1.0, -1.0]], [[1.0, 0.0, 0.5], [2.0, 2.0, 2.0]], [[0.0, 1.0, -1.0]], [[0.1, 0.1, 0.1]]]

SETTINGS: dict[str, dict[str, Any]] = {
    "reconstruct": {"strategy": {"kind": "Ancestral"}, "seed": 3},
    "encode": {"of": "draw", "seed": 2},
    "score": {"samples": 3, "seed": 5},
    "edit": {"attribute": "cat", "strategy": {"kind": "Ancestral", "top_k": 5}},
    "decode": {"strategy": {"kind": "Ancestral"}, "seed": 4},
}


def asked_at_once(space, name: str, bodies: list[dict[str, Any]], rows: int) -> tuple[list[Any], str]:
    """Responses to requests of which no batch begins before all have come, and the counts of batches."""
    application = create_app({"tiny": space}, limits=replace(PATIENT, window=60.0, batch=rows))
    path = f"/v1/models/tiny/{name}"
    asks = [lambda client, body=body: client.post(path, json=body) for body in bodies]
    return gathered(application, asks), asker(application)("GET", "/metrics").text


def alike(found: Any, expected: Any) -> bool:
    """Equal, but for how products of a network are rounded in batches of other sizes."""
    if isinstance(expected, float):
        return found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(alike(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(alike, found, expected))
    return found == expected


def test_all_that_is_answered_together_is_tried():
    assert set(SETTINGS) == set(TOGETHER)


@pytest.mark.parametrize("name", TOGETHER)
def test_an_answer_does_not_depend_on_what_is_answered_with_it(space, application, name):
    lists = CODES_OF if name == "decode" else TEXTS_OF
    bodies = [{TOGETHER[name]: each, **SETTINGS[name]} for each in lists]
    responses, counts = asked_at_once(space, name, bodies, sum(map(len, lists)))
    assert 'latentia_batch_calls_sum{model="tiny"} 4.0' in counts
    assert 'latentia_batch_calls_count{model="tiny"} 1.0' in counts
    for body, response in zip(bodies, responses, strict=True):
        alone = asker(application)("POST", f"/v1/models/tiny/{name}", body)
        assert response.status_code == alone.status_code == 200
        assert alike(response.json(), alone.json())


def test_other_settings_are_answered_apart(space, application):
    bodies = [{"codes": [[0.0, 1.0, -1.0]], "strategy": {"kind": "Ancestral"}, "seed": seed} for seed in range(4)]
    responses, _ = asked_at_once(space, "decode", bodies, 1)
    expected = [asker(application)("POST", "/v1/models/tiny/decode", body).json() for body in bodies]
    assert [each.json() for each in responses] == expected
    assert len({each.text for each in responses}) > 1


def test_a_request_that_cannot_be_answered_spoils_no_other(space):
    bodies = [{"codes": [[0.0, 1.0, -1.0]]}, {"codes": [[0.0, 1.0]]}, {"codes": [[1.0, 1.0, 1.0]]}]
    responses, _ = asked_at_once(space, "decode", bodies, 3)
    assert [each.status_code for each in responses] == [200, 422, 200]


def test_a_defect_in_one_answer_does_not_end_the_server(space, monkeypatch, caplog):
    application = create_app({"tiny": space}, limits=PATIENT)
    ask = asker(application)
    with monkeypatch.context() as patched:
        patched.setattr("latentia.server.calls.Call.answers", _broken)
        response = ask("POST", "/v1/models/tiny/cluster", REQUESTS["cluster"])
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "a defect" not in response.text
    assert "a defect" in caplog.text
    assert ask("GET", "/readyz").status_code == 200
    assert ask("POST", "/v1/models/tiny/encode", REQUESTS["encode"]).status_code == 200


def _broken(*_: object) -> object:
    raise ZeroDivisionError("a defect")


@pytest.fixture
def held(monkeypatch):
    """A model that does not go on before it is told to."""
    going = threading.Event()

    def waiting(*_: object):
        assert going.wait(600)
        yield "done"

    monkeypatch.setattr("latentia.server.calls.Call.answers", waiting)
    yield going
    going.set()


def test_a_request_that_is_not_answered_in_time_is_refused(space, held):
    application = create_app({"tiny": space}, limits=Limits(deadline=0.05))
    sample = lambda client: client.post("/v1/models/tiny/sample", json={})  # noqa: E731
    for response in gathered(application, [sample, sample]):
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
    held.set()
    assert asker(application)("GET", "/readyz").status_code == 200


def test_more_requests_than_may_wait_are_refused_at_once(space, held):
    application = create_app({"tiny": space}, limits=replace(PATIENT, requests=3))

    async def last(client):
        response = await client.post("/v1/models/tiny/sample", json={})
        held.set()
        return response

    others = [lambda client: client.post("/v1/models/tiny/sample", json={})] * 3
    *accepted, refused = gathered(application, [*others, last])
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert [each.status_code for each in accepted] == [200] * 3
    assert asker(application)("POST", "/v1/models/tiny/sample", {}).status_code == 200


def test_a_chain_pays_for_the_words_that_it_tries(space, held):
    application = create_app({"tiny": space}, limits=PATIENT)
    body = {"texts": ["the ___ sat"], "sweeps": 1000}
    assert asker(application)("POST", "/v1/models/tiny/impute", body).status_code == 413
    held.set()
    for cheaper in ({**body, "sweeps": 10, "n": 5}, {"texts": body["texts"], "method": "modes"}):
        assert asker(application)("POST", "/v1/models/tiny/impute", cheaper).status_code == 200


def test_what_costs_too_much_is_refused_before_it_is_read(space, held):
    limits = replace(PATIENT, cost=1000, waiting_cost=1000)
    application = create_app({"tiny": space}, limits=limits)
    refused = asker(application)("POST", "/v1/models/tiny/sample", {"n": 100})
    assert refused.status_code == 413

    async def second(client):
        response = await client.post("/v1/models/tiny/sample", json={"n": 10})
        held.set()
        return response

    first, other = gathered(application, [lambda client: client.post("/v1/models/tiny/sample", json={"n": 9}), second])
    assert (first.status_code, other.status_code) == (200, 429)


def test_work_that_is_patient_waits_until_nothing_else_does(space):
    order, working = list[str](), threading.Event()

    def told(name: str, worker: Worker, *, patient: bool = False) -> Ticket:
        return worker.submit(Work(lambda: order.append(name), patient))

    async def all_of_them() -> None:
        worker = Worker(space, PATIENT)
        first = worker.submit(Work(lambda: working.wait(60)))
        tickets = [first, told("patient", worker, patient=True), told("a request", worker), told("another", worker)]
        working.set()
        for ticket in tickets:
            _ = [event async for event in ticket.events()]
        worker.close()

    asyncio.run(all_of_them())
    assert order == ["a request", "another", "patient"]
