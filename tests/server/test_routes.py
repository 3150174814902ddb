"""Every operation is a route, whose schema is its signature and whose answers are those of Python."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from latentia import operations
from latentia.operations.operation import parameters
from latentia.recipes.families import members
from latentia.server.answers import row_of
from latentia.server.calls import call_of
from latentia.server.limits import Limits
from latentia.server.models import names_of
from latentia.server.requests import request_of, spelled
from tests.laws.tables import TEXTS
from tests.operations.test_operation import FUNCTIONS
from tests.server.conftest import REQUESTS


def test_every_operation_is_asked_here():
    assert set(REQUESTS) == set(FUNCTIONS)


@pytest.fixture(scope="module")
def document(application):
    from tests.server.conftest import asker

    return asker(application)("GET", "/openapi.json").json()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_schema_of_a_request_is_the_signature(document, name):
    route = document["paths"][f"/v1/models/{{model}}/{name}"]["post"]
    assert route["operationId"] == name
    schema = document["components"]["schemas"][f"{name.capitalize()}Request"]
    known = parameters(FUNCTIONS[name])
    assert set(schema["properties"]) == set(map(spelled, known))
    required = {spelled(each.name) for each in known.values() if each.default is each.empty}
    assert set(schema.get("required", ())) == required
    assert all(each["description"] for each in schema["properties"].values())
    assert schema["additionalProperties"] is False


def test_a_request_may_name_every_strategy(document):
    kinds = document["components"]["schemas"]["SampleRequest"]["properties"]["strategy"]["discriminator"]["mapping"]
    assert set(kinds) == set(members(operations.space.Strategy))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_answers_are_those_of_the_operation(ask, space, name):
    response = ask("POST", f"/v1/models/tiny/{name}", REQUESTS[name])
    assert response.status_code == 200, response.text
    call = call_of(name, request_of(name, FUNCTIONS[name], Limits()).model_validate(REQUESTS[name]))
    alone = [(isinstance(each, operations.Refused), row_of(each)) for each in call.answers(space)]
    found = response.json()
    assert found["answers"] == [row for refused, row in alone if not refused]
    assert found["refused"] == [row for refused, row in alone if refused]
    assert found["answers"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_answers_come_as_a_stream_that_has_an_end(ask, name):
    whole = ask("POST", f"/v1/models/tiny/{name}", REQUESTS[name]).json()
    response = ask("POST", f"/v1/models/tiny/{name}", REQUESTS[name], {"accept": "application/x-ndjson"})
    assert response.headers["content-type"] == "application/x-ndjson"
    *events, end = map(json.loads, response.text.splitlines())
    assert [each["answer"] for each in events if "answer" in each] == whole["answers"]
    assert [each["refused"] for each in events if "refused" in each] == whole["refused"]
    counts = {name: len(whole[name]) for name in ("answers", "refused")}
    assert end == {"end": {**counts, "remarks": whole["remarks"]}}


def test_what_goes_wrong_in_a_stream_is_its_last_line(ask):
    response = ask("POST", "/v1/models/tiny/decode", {"codes": [[1.0]]}, {"accept": "application/x-ndjson"})
    assert json.loads(response.text)["problem"]["status"] == 422


def test_models_are_keys_of_a_table(ask, tmp_path):
    (model,) = ask("GET", "/v1/models").json()["data"]
    assert model["id"] == "tiny"
    assert model["labels"] == ["cat", "dog"]
    for name in ("other", "..", "%2e%2e%2ftiny", "tiny%00"):
        assert ask("POST", f"/v1/models/{name}/encode", REQUESTS["encode"]).status_code == 404
    with pytest.raises(operations.lines.InputError, match="two are called a"):
        names_of([tmp_path / "a", tmp_path / "b" / "a"])


def test_vectors_in_the_shape_of_openai(ask, space):
    codes = space.encode(TEXTS[:2]).numpy()
    found = ask("POST", "/v1/embeddings", {"model": "tiny", "input": TEXTS[:2]}).json()
    assert [each["index"] for each in found["data"]] == [0, 1]
    assert np.allclose([each["embedding"] for each in found["data"]], codes, atol=1e-5)
    assert found["usage"]["prompt_tokens"] == sum(len(text.split()) for text in TEXTS[:2])
    packed = ask("POST", "/v1/embeddings", {"model": "tiny", "input": TEXTS[0], "encoding_format": "base64"}).json()
    numbers = np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), "<f4")
    assert np.allclose(numbers, codes[0], atol=1e-5)
    for wrong in ({"input": "purple"}, {"input": TEXTS[0], "dimensions": 2}):
        assert ask("POST", "/v1/embeddings", {"model": "tiny", **wrong}).status_code == 422


def test_health_and_counts(ask):
    assert ask("GET", "/healthz").json() == ask("GET", "/readyz").json() == {"status": "ok"}
    ask("POST", "/v1/models/tiny/encode", REQUESTS["encode"])
    counts = ask("GET", "/metrics").text
    assert 'latentia_requests_total{route="/v1/models/{model}/encode",status="200"}' in counts
    assert 'latentia_batch_calls_count{model="tiny"}' in counts


def test_the_page_is_served_under_its_own_name(ask, space):
    from latentia.server import create_app
    from tests.server.conftest import asker

    page = ask("GET", "/ui/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert ask("GET", "/").headers["location"] == "/ui/"
    for path in ("/ui/../__init__.py", "/ui/%2e%2e/__init__.py", "/ui//etc/passwd"):
        assert ask("GET", path).status_code == 404
    assert asker(create_app({"tiny": space}, ui=False))("GET", "/ui/").status_code == 404
