"""Over a socket: clients that are slow or long, a client that asks again, and an end that loses nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from latentia.client import Client, ServerError
from latentia.errors import InputError
from latentia.operations.space import Record
from latentia.recipes import load_recipe
from latentia.server import Limits, create_app, listening, serve
from latentia.server.connection import Connection
from tests.laws.tables import TEXTS
from tests.operations.labelled import labelled_space
from tests.recipes.test_recipes import TINY
from tests.server.conftest import PATIENT

HASTY = Limits(read=0.2, header_bytes=4000)

ONE = b'{"data": ["cat"]}'


@pytest.fixture(scope="module")
def port(space) -> Iterator[int]:
    with listening(create_app({"tiny": space}, limits=PATIENT)) as port:
        yield port


@pytest.fixture(scope="module")
def hasty(space) -> Iterator[int]:
    with listening(create_app({"tiny": space}, limits=HASTY)) as port:
        yield port


@pytest.fixture
def slow(space, monkeypatch) -> Iterator[tuple[int, Any, threading.Event]]:
    """A hasty server that answers nothing until it is told to: its port, application, and what tells it."""
    going = threading.Event()
    monkeypatch.setattr("latentia.server.calls.Call.answers", lambda *_: iter([going.wait(600)] * 0))
    application = create_app({"tiny": space}, limits=replace(HASTY, deadline=600, write=600))
    with listening(application) as port:
        yield port, application, going
        going.set()


def posted(body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    """A request to encode."""
    own = (b"host: localhost", b"content-type: application/json", b"content-length: %d" % (length or len(body)))
    return b"\r\n".join([b"POST /v1/models/tiny/encode HTTP/1.1", *own, *headers, b"", body])


def said(port: int, request: bytes) -> tuple[bytes, dict[str, Any]]:
    """Status line and problem that a server answers before it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=600) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            head, _, body = stream.read().partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    return head.partition(b"\r\n")[0], json.loads(body)


def test_answers_wait_for_no_acknowledgement_of_their_first_part(port, monkeypatch):
    """Headers and body are two writes, and a client acknowledges the first after 40 ms unless there is more."""
    made, seen = Connection.connection_made, []

    def noted(self: Connection, transport: Any) -> None:
        made(self, transport)
        seen.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(Connection, "connection_made", noted)
    assert Client(f"http://127.0.0.1:{port}").models()
    assert seen
    assert all(seen)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"", 408),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: a", 408),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: " + b"a" * 5000, 431),
        (b"GET /" + b"a" * 5000, 431),
        (b"no request at all\r\n\r\n", 400),
        (b"GET http://[ HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
    ],
)
def test_headers_are_short_and_arrive_in_time_or_the_client_is_cut(hasty, request_, status):
    line, problem = said(hasty, request_)
    assert int(line.split()[1]) == problem["status"] == status


CHUNKED = posted(b"", b"transfer-encoding: chunked").replace(b"content-length: 0\r\n", b"")


@pytest.mark.parametrize(
    ("after", "more"),
    [(b"0\r\n", b"x-more: a\r\n"), (b"0\r\nx-long: ", b"a" * 1000), (b"1;extended=", b"a" * 1000)],
    ids=["many", "one", "of a chunk"],
)
def test_what_follows_a_chunk_is_as_short_as_headers(port, after, more):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(CHUNKED + b"1\r\n{\r\n" + after)
        with suppress(ConnectionError):
            for _ in range(10_000_000 // len(more)):
                connection.sendall(more)
            pytest.fail("all was taken")


def test_a_body_of_small_chunks_is_no_header(hasty):
    with socket.create_connection(("127.0.0.1", hasty), timeout=60) as connection:
        body = b'{"data": ["%b"]}' % (b"cat " * 500)
        connection.sendall(CHUNKED)
        for each in body:
            connection.sendall(b"1\r\n%c\r\n" % each)
        connection.sendall(b"0\r\nx-more: a\r\n\r\n")
        assert answered(connection).status == 200


def test_a_body_arrives_in_time_or_the_client_is_cut(hasty):
    head = b"POST /v1/models/tiny/encode HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    line, _ = said(hasty, head + b"connection: close\r\ncontent-length: 100\r\n\r\n{")
    assert line.split()[1] == b"408"


@pytest.mark.parametrize(
    ("request_", "status", "rest"),
    [
        (posted(b"{", length=100).replace(b"application/json", b"text/plain"), 415, b"}" * 99),
        (posted(b"{", length=100).replace(b"POST", b"DELETE"), 405, b"}"),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{", 200, b"}" * 99),
    ],
    ids=["415", "405", "200"],
)
def test_who_sends_a_body_after_its_answer_and_then_nothing_is_cut(hasty, request_, status, rest):
    with socket.create_connection(("127.0.0.1", hasty), timeout=60) as connection:
        connection.sendall(request_)
        response = answered(connection)
        assert response.status == status
        response.read()
        connection.sendall(rest)
        assert not connection.recv(1)


def test_who_was_refused_twice_at_once_is_not_cut_later(slow):
    port, application, going = slow
    with socket.create_connection(("127.0.0.1", port), timeout=600) as connection:
        application.admission.requests = HASTY.requests
        connection.sendall(posted(b"{}") * 2)
        refused = b""
        while refused.count(b"}") < 2:
            refused += connection.recv(4096)
        assert refused.count(b"HTTP/1.1 429") == 2
        application.admission.requests = 0
        connection.sendall(posted(ONE))
        time.sleep(1.5)  # longer than an idle connection is kept
        going.set()
        assert answered(connection).status == 200


@pytest.mark.parametrize(
    ("early", "late", "statuses"),
    [
        (b"\r\n", b"", [200]),
        (posted(ONE)[:70], posted(ONE)[70:], [200, 200]),
        (posted(ONE)[:-9], posted(ONE)[-9:], [200, 200]),
        (b"GET /" + b"a" * 5000, b"", [200, 431]),
    ],
    ids=["an empty line", "headers", "a body", "headers that are too long"],
)
def test_no_client_is_cut_while_it_waits_for_its_answer(slow, early, late, statuses):
    port, application, going = slow
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(posted(ONE))
        assert _becomes(lambda: application.admission.requests == 1)
        connection.sendall(early)
        time.sleep(1.5)  # longer than headers and bodies may take
        going.set()
        connection.sendall(late)
        with connection.makefile("rb") as stream:
            assert [_status(stream) for _ in statuses] == statuses


def _status(stream: BinaryIO) -> int:
    """Read an answer whose length is told."""
    status, length = int(stream.readline().split()[1]), 0
    while line := stream.readline().strip().lower():
        length = int(line.removeprefix(b"content-length:")) if line.startswith(b"content-length:") else length
    stream.read(length)
    return status


@contextmanager
def small(port: int, timeout: float) -> Iterator[socket.socket]:
    """A connection whose client has little room for what it does not read."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(timeout)
        connection.connect(("127.0.0.1", port))
        yield connection


def test_nothing_is_read_of_who_does_not_read(space):
    application = create_app({"tiny": space}, limits=PATIENT)
    application.admission.requests = PATIENT.requests
    cut = pytest.raises((TimeoutError, ConnectionError))
    with listening(application) as port, small(port, timeout=1) as connection, cut:
        _ask_on(connection)


def _ask_on(connection: socket.socket) -> None:
    """Ask 40 MB and read nothing."""
    for _ in range(400):
        connection.sendall(posted(b"", b"x-long: " + b"a" * 1000) * 100)


def test_who_asks_on_and_does_not_read_is_cut(space):
    application = create_app({"tiny": space}, limits=replace(PATIENT, write=0.3))
    application.admission.requests = PATIENT.requests
    with listening(application) as port, small(port, timeout=30) as connection, pytest.raises(ConnectionError):
        _ask_on(connection)


@pytest.mark.parametrize("accept", [b"application/json", b"application/x-ndjson"])
def test_who_does_not_read_an_answer_is_cut(space, monkeypatch, accept):
    monkeypatch.setattr("latentia.server.calls.Call.answers", lambda *_: iter(["a" * 100_000] * 200))
    application = create_app({"tiny": space}, limits=replace(PATIENT, write=0.3, connections=1))
    with listening(application) as port, small(port, timeout=60) as connection:
        connection.sendall(posted(ONE, b"accept: " + accept))
        assert _becomes(lambda: _healthy(port))


def _healthy(port: int) -> bool:
    """Whether there is room for a connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection, suppress(ConnectionError):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        return connection.recv(100).startswith(b"HTTP/1.1 200")
    return False


def test_who_does_not_read_at_once_gets_all_answers(space):
    application = create_app({"tiny": space}, limits=PATIENT)
    application.admission.requests = PATIENT.requests
    with listening(application) as port, socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(posted(b"{}") * 99)
        with connection.makefile("rb") as stream:
            assert [_status(stream) for _ in range(99)] == [429] * 99


def test_only_so_many_requests_wait_for_an_answer_to_an_earlier_one(slow):
    port, _, going = slow
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        healthy = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"
        connection.sendall(posted(ONE) + 1000 * (healthy + b"\r\n") + healthy + b"connection: close\r\n\r\n")
        going.set()
        with suppress(ConnectionError), connection.makefile("rb") as stream:
            assert stream.read().count(b"HTTP/1.1 200") < 1000


def test_more_connections_than_there_may_be_are_refused(space):
    limits = replace(PATIENT, connections=2)
    with listening(create_app({"tiny": space}, limits=limits)) as port:
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                response = answered(connection)
            assert (response.status, response.headers["retry-after"], response.will_close) == (503, "1", True)
            assert response.headers["content-type"] == "application/problem+json"
        assert Client(f"http://127.0.0.1:{port}", backoff=0.05).models()


def test_where_there_is_no_room_a_request_is_refused_at_once_and_its_connection_kept(space):
    application = create_app({"tiny": space}, limits=PATIENT)
    head, body = b"POST /v1/models/tiny/encode HTTP/1.1\r\nhost: localhost\r\n", b'{"data": ["cat"]}'
    head += b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
    with listening(application) as port, socket.create_connection(("127.0.0.1", port), timeout=600) as connection:
        application.admission.requests = PATIENT.requests
        connection.sendall(head + b"\r\n")
        response = answered(connection)
        assert (response.status, response.headers["retry-after"], response.will_close) == (429, "1", False)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert json.loads(response.read())["status"] == 429
        connection.sendall(body + b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert b'latentia_requests_total{route="",status="429"} 1.0' in answered(connection).read()
        application.admission.requests = 0
        connection.sendall(head + b"\r\n" + body)
        assert len(json.loads(answered(connection).read())["answers"]) == 1
        while application.admission.requests:  # its place is given back after its last byte
            time.sleep(0.001)
        application.admission.requests = PATIENT.requests
        connection.sendall(head + b"connection: close\r\n\r\n" + body)
        response = answered(connection)
        assert (response.status, response.will_close) == (429, True)
        assert response.read()
        assert not connection.recv(1)
        application.admission.requests = 0


def test_a_request_of_http_1_0_is_the_only_one_of_its_connection(space):
    application = create_app({"tiny": space}, limits=PATIENT)
    with listening(application) as port, socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        application.admission.requests = PATIENT.requests
        connection.sendall(posted(b"{}", b"connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"))
        response = answered(connection)
        assert (response.status, response.headers["connection"]) == (429, "close")
        assert response.read()
        assert not connection.recv(1)
        application.admission.requests = 0


def answered(connection: socket.socket) -> HTTPResponse:
    """The next answer on a connection."""
    response = HTTPResponse(connection)
    response.begin()
    return response


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_who_leaves_leaves_a_free_place(space, monkeypatch, accept):
    going = threading.Event()
    monkeypatch.setattr("latentia.server.calls.Call.answers", lambda *_: iter([going.wait(600)]))
    application = create_app({"tiny": space}, limits=PATIENT)
    body = b'{"data": ["cat"]}'
    head = "POST /v1/models/tiny/encode HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Accept: {accept}\r\nContent-Length: {len(body)}\r\n\r\n"
    with listening(application) as port:
        with ExitStack() as clients:
            for _ in range(3):
                connection = clients.enter_context(socket.create_connection(("127.0.0.1", port)))
                connection.sendall(head.encode() + body)
            assert _becomes(lambda: application.admission.requests == 3)
        assert _becomes(lambda: application.admission.requests == 0)
        assert application.admission.cost == 0
        going.set()


def _becomes(true: Callable[[], bool]) -> bool:
    """Wait until something is true, for a minute at most."""
    for _ in range(6000):
        if true():
            return True
        time.sleep(0.01)
    return False


def test_the_client_asks_for_answers_and_streams(port):
    client = Client(f"http://127.0.0.1:{port}", timeout=600)
    assert [each["id"] for each in client.models()] == ["tiny"]
    found = client.ask("tiny", "reconstruct", texts=[TEXTS[0], "purple"], strategy={"kind": "Greedy"})
    assert [each["line"] for each in found["answers"]] == [1]
    assert [each["line"] for each in found["refused"]] == [2]
    *events, end = client.stream("tiny", "edit", texts=[TEXTS[0]], from_=[TEXTS[1]], to=[TEXTS[2]])
    assert events[0]["answer"]["text"] == TEXTS[0]
    assert end["end"]["answers"] == 1
    for arguments, status in (({"data": [""] * 2000}, 400), ({"data": 3}, 400)):
        with pytest.raises(ServerError) as refusal:
            client.ask("tiny", "encode", **arguments)
        assert refusal.value.status == status
    with pytest.raises(ServerError, match="no model of this name: see GET /v1/models"):
        client.ask("other", "encode", data=["a"])
    with pytest.raises(ServerError, match="the codes have shape"):
        list(client.stream("tiny", "decode", codes=[[1.0]]))


@contextmanager
def scripted(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives one answer after another, and the paths that it was asked for."""
    left, asked = list(answers), list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = left.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - what the library calls it

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.fixture
def waited(monkeypatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr("latentia.client.time.sleep", waits.append)
    monkeypatch.setattr("latentia.client.random.uniform", lambda low, high: low)
    return waits


def test_the_client_asks_again_when_it_is_told_to(waited):
    models = (200, {}, b'{"data": []}')
    busy = (429, {"Retry-After": "7"}, b"{}")
    with scripted(busy, (503, {}, b"no JSON"), (503, {"Retry-After": "never"}, b"{}"), models) as (url, asked):
        assert Client(url).models() == []
    assert waited == [7, 1, 2]
    assert asked == ["/v1/models"] * 4


def test_the_client_gives_up_and_does_not_repeat_what_was_wrong(waited):
    with scripted(*[(429, {"Retry-After": "100000"}, b"{}")] * 3) as (url, _), pytest.raises(ServerError) as refusal:
        Client(url, retries=2).models()
    assert refusal.value.status == 429
    assert waited == [60, 60]
    with (
        scripted((422, {}, b'{"detail": "no", "remedy": "yes"}')) as (url, _),
        pytest.raises(ServerError, match="no: yes"),
    ):
        Client(url).ask("a", "encode")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(ServerError, match="does not answer"):
            Client(f"http://127.0.0.1:{nobody.getsockname()[1]}", retries=1).models()


def test_the_client_notices_that_a_stream_has_no_end(waited):
    for body in (b'{"answer": {}}\n', b'{"answer": '):
        with scripted((200, {}, body)) as (url, _), pytest.raises(ServerError):
            list(Client(url).stream("a", "encode"))


@pytest.fixture
def exported(tmp_path) -> Path:
    """An exported model."""
    recipe = load_recipe("vae").with_settings(TINY)
    space = labelled_space(recipe.model)
    space.record = Record(recipe.settings)
    space.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


@contextmanager
def serving(folder: Path, begin: Sequence[str] = ("-m", "latentia")) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    """``latentia serve`` of a model, and a client when it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, *begin, "serve", str(folder), "--port", str(port)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        client = Client(f"http://127.0.0.1:{port}", retries=3000, timeout=600, backoff=0.1)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("latentia.client.LONGEST_WAIT", 0.2)
            client.models()
        yield running, client
        running.kill()


def test_told_to_stop_a_server_answers_what_it_has_accepted(exported):
    with serving(exported) as (running, client):
        streams = [client.stream("tiny", "sample", n=1000, seed=seed) for seed in range(3)]
        with ThreadPoolExecutor(3) as pool:
            firsts = list(pool.map(next, streams))
            running.send_signal(signal.SIGTERM)
            rests = list(pool.map(list, streams))
        assert all("answer" in first for first in firsts)
        assert [rest[-1]["end"]["answers"] for rest in rests] == [1000] * 3
        assert running.wait(600) == 0
        assert "Traceback" not in running.stderr.read()


ENDLESS = """
import sys, time
from latentia.cli import main
from latentia.server.calls import Call
Call.answers = lambda *_: iter([print("at work", file=sys.stderr, flush=True), time.sleep(600)])
main()
"""
"""A server whose work has no end."""


def at_work(running: subprocess.Popen[str], address: str) -> socket.socket:
    """Ask for work without end, and return the connection when it has begun."""
    body = b'{"n": 1}'
    connection = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))
    head = b"POST /v1/models/tiny/sample HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    while "at work" not in running.stderr.readline():
        pass
    return connection


def test_work_that_nobody_waits_for_does_not_keep_a_server(exported):
    with serving(exported, ["-c", ENDLESS]) as (running, client):
        at_work(running, client._url).close()
        running.send_signal(signal.SIGTERM)
        assert running.wait(600) == 0
        assert "stopped; 0 accepted" in running.stderr.read()


def test_told_twice_a_server_is_gone(exported):
    with serving(exported, ["-c", ENDLESS]) as (running, client), at_work(running, client._url):
        running.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        running.send_signal(signal.SIGTERM)
        assert running.wait(600) == 128 + signal.SIGTERM
        assert running.stderr.read() == "stopped at once; 1 accepted requests were not answered\n"


def started(folder: Path, **options: Any) -> list[str]:
    """What a server says that does not begin."""
    said: list[str] = []
    given = {"host": "127.0.0.1", "port": 0, "ui": False, "keys": "", "without_keys": False, "limits": PATIENT}
    with pytest.raises(InputError) as caught:
        serve([folder], tell=said.append, **{**given, **options})
    return [*said, str(caught.value)]


def test_an_address_that_is_taken_is_told_before_anything_is_said(exported):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (problem,) = started(exported, port=port)
    assert f"127.0.0.1:{port} cannot be listened at" in problem


def test_a_file_of_no_keys_opens_nothing(exported, tmp_path):
    (tmp_path / "keys").write_text("# nobody yet\n")
    (problem,) = started(exported, keys=str(tmp_path / "keys"))
    assert "holds no key" in problem


def test_the_client_takes_arrays_and_refuses_what_is_no_json(port):
    client = Client(f"http://127.0.0.1:{port}")
    codes = np.zeros((1, 3), dtype=np.float32)
    assert client.ask("tiny", "decode", codes=codes) == client.ask("tiny", "decode", codes=codes.tolist())
    for wrong in (object(), float("nan")):
        with pytest.raises(InputError, match="are no JSON"):
            client.ask("tiny", "decode", codes=wrong)
