"""Who is let in, with what, and how refusals look."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from benchmarks.hostile import shapes
from pydantic import ValidationError

from latentia.errors import InputError
from latentia.operations import augment, decode, encode
from latentia.server import Limits, create_app
from latentia.server.keys import VARIABLE, Keys
from latentia.server.requests import request_of
from tests.server.conftest import JSON, PATIENT, REQUESTS, asker, gathered

ENCODE = "/v1/models/tiny/encode"


@pytest.fixture(scope="module")
def guarded(space):
    return asker(create_app({"tiny": space}, limits=PATIENT, hosts=["localhost"]))


@pytest.mark.parametrize("shape", shapes("tiny"), ids=lambda shape: shape.name)
def test_hostile_requests_are_refused_by_a_problem_document(guarded, shape):
    response = guarded(shape.method, shape.path, shape.body, {"content-type": "", **shape.headers})
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["detail"]
    assert problem["remedy"]
    assert len(response.content) < 2000


@pytest.mark.parametrize("path", ["map", "map/points", "nothing"])
def test_what_takes_no_body_is_told_so_and_not_how_to_write_one(guarded, path):
    response = guarded("POST", f"/v1/models/tiny/{path}", b"", {"content-type": "text/plain"})
    assert response.status_code == (404 if path == "nothing" else 405)


def test_there_are_more_than_fifty():
    assert len({shape.name for shape in shapes("tiny")}) == len(shapes("tiny")) == 52


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (decode, {"codes": [["x"] * 9] * 9}),
        (encode, {"data": [1] * 9}),
        (augment, {"data": ["x"] * 9}),
    ],
)
def test_of_all_wrong_members_the_first_is_complained_of(operation, body):
    with pytest.raises(ValidationError) as refusal:
        request_of(operation.__name__, operation, PATIENT).model_validate(body)
    assert refusal.value.error_count() == 1


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "LocalHost:8000", "[::1]:8000"])
def test_names_of_hosts_have_large_or_small_letters(space, name):
    application = create_app({"tiny": space}, limits=PATIENT, hosts=["Localhost", "[::1]"])
    assert asker(application)("GET", "/healthz", None, {"host": name}).status_code == 200


def test_a_body_without_a_length_is_bounded_too(space):
    application = create_app({"tiny": space}, limits=replace(PATIENT, body_bytes=30))

    async def parts(count: int):
        yield b'{"data": ["cat"'
        for _ in range(count):
            yield b', "cat"'
        yield b"]}"

    def chunked(count: int):
        return lambda client: client.post(ENCODE, content=parts(count), headers=JSON)

    short, long = gathered(application, [chunked(1), chunked(10_000)])
    assert (short.status_code, long.status_code) == (200, 413)


@pytest.fixture
def keyed(space, tmp_path, monkeypatch):
    """A server with a key in a file and another in the environment."""
    first, second = (hashlib.sha256(key).hexdigest() for key in (b"one", b"two"))
    (tmp_path / "keys").write_text(f"# ours\n{first}  alice\n\n")
    monkeypatch.setenv(VARIABLE, f" {second},")
    return asker(create_app({"tiny": space}, limits=PATIENT, keys=Keys.read(str(tmp_path / "keys"))))


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer three", "Basic one", "Bearer one two", "one"])
def test_without_a_key_nothing_is_answered(keyed, key):
    for method, path, body in (
        ("GET", "/v1/models", None),
        ("POST", ENCODE, REQUESTS["encode"]),
        ("GET", "/metrics", None),
    ):
        response = keyed(method, path, body, {"authorization": key} if key else {})
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert "tiny" not in response.text


@pytest.mark.parametrize("key", ["Bearer one", "bearer two"])
def test_with_a_key_everything_is(keyed, key):
    assert keyed("POST", ENCODE, REQUESTS["encode"], {"authorization": key}).status_code == 200


def test_health_and_the_page_need_no_key(keyed):
    assert {keyed("GET", path).status_code for path in ("/healthz", "/readyz", "/ui/")} == {200}


def test_a_key_in_clear_is_no_hash(tmp_path):
    (tmp_path / "keys").write_text("secret\n")
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        Keys.read(str(tmp_path / "keys"))
    with pytest.raises(InputError, match="cannot be read"):
        Keys.read(str(tmp_path / "none"))


def test_other_machines_need_a_key_unless_it_is_said(tmp_path):
    from latentia.server import serve

    given = {"port": 0, "ui": False, "keys": "", "limits": Limits(), "tell": print}
    for host in ("0.0.0.0", "example.org"):
        with pytest.raises(InputError, match="there is no key: give --keys FILE"):
            serve([tmp_path], host=host, without_keys=False, **given)


def test_pages_of_others_may_not_ask(guarded):
    """No header allows it, and a form, which needs no leave, is no JSON."""
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    response = guarded("OPTIONS", ENCODE, None, headers)
    assert response.status_code == 405
    asked = guarded("POST", ENCODE, REQUESTS["encode"], {"origin": "https://evil.example"})
    assert not [name for name in [*response.headers, *asked.headers] if name.startswith("access-control")]
