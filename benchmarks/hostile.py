"""Requests that no server should suffer from: each is to be refused, at once and by a problem document."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

JSON = {"content-type": "application/json"}

TEXT_OPERATIONS = ("reconstruct", "encode", "score")


@dataclass(frozen=True)
class Shape:
    """A request.

    Attributes:
        name: What is hostile about it.
        path: Of the request.
        body: Of the request.
        headers: Of the request.
        method: Of the request.
    """

    name: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    method: str = "POST"


def shapes(model: str) -> list[Shape]:
    """Return all, for a model that the server has."""
    return [*_bodies(model), *_values(model), *_paths(model), *_headers(model)]


def _bodies(model: str) -> list[Shape]:
    """Bodies that are too long, too deep, or no JSON."""
    encode, sample = f"/v1/models/{model}/encode", f"/v1/models/{model}/sample"
    bodies = {
        "a body of 10 MB": (encode, b'{"data": ["' + b"a" * 10_000_000 + b'"]}'),
        "a string of 1 MB": (encode, b'{"data": ["' + b"a" * 1_000_000 + b'"]}'),
        "spaces of 2 MB": (encode, b" " * 2_000_000 + b"{}"),
        "arrays in arrays, 100,000 deep": (encode, b"[" * 100_000),
        "objects in objects, 50,000 deep": (encode, b'{"data":' * 50_000),
        "a deep list of texts": (encode, b'{"data": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"),
        "100,000 texts": (encode, json.dumps({"data": ["a"] * 100_000}).encode()),
        "100,000 keys": (sample, json.dumps({f"k{number}": 1 for number in range(70_000)}).encode()),
        "no body": (encode, b""),
        "a cut-off object": (encode, b'{"data": ["a"'),
        "two objects": (encode, b'{"data": ["a"]}{"data": ["a"]}'),
        "bytes that are no UTF-8": (encode, b'{"data": ["\xff\xfe"]}'),
        "a lone surrogate": (encode, b'{"data": ["\\ud800"]}'),
        "a NUL": (encode, b'{"data": ["a\\u0000b"]}'),
        "a raw NUL": (encode, b'{"data": ["a\x00b"]}'),
        "null": (encode, b"null"),
        "a string for an object": (encode, b'"data"'),
        "a number of a million digits": (sample, b'{"seed": ' + b"9" * 1_000_000 + b"}"),
    }
    return [Shape(name, path, body) for name, (path, body) in bodies.items()]


def _values(model: str) -> list[Shape]:
    """Values of the wrong type or size."""
    values: dict[str, tuple[str, bytes]] = {
        "a billion samples": ("sample", b'{"n": 1000000000}'),
        "a negative number": ("sample", b'{"n": -1}'),
        "a fraction of a text": ("sample", b'{"n": 1.5}'),
        "a number as text": ("sample", b'{"n": "3"}'),
        "a truth value as number": ("sample", b'{"n": true}'),
        "not a number": ("sample", b'{"region": "aggregate", "spread": NaN}'),
        "infinity": ("sample", b'{"region": "aggregate", "spread": 1e999}'),
        "a seed of 40 digits": ("sample", b'{"seed": ' + b"9" * 40 + b"}"),
        "an unknown key": ("sample", b'{"__class__": "os.system"}'),
        "a strategy that is none": ("sample", b'{"strategy": {"kind": "__import__"}}'),
        "a beam of a billion": ("sample", b'{"strategy": {"kind": "Beam", "width": 1000000000}}'),
        "a pattern without end": ("sample", b'{"pattern": "((((("}'),
        "a pattern that refers to a group": ("sample", b'{"pattern": "(a)\\\\1"}'),
        "a length of no sense": ("sample", b'{"length": "../../etc/passwd"}'),
        "a path as a label": ("sample", b'{"label": "../../etc/passwd"}'),
        "an object as a text": ("encode", b'{"data": [{"$ref": "file:///etc/passwd"}]}'),
        "no texts": ("encode", b'{"data": []}'),
        "a dimension that is not there": ("traverse", b'{"text": "a", "dimension": 999}'),
        "a code of infinity": ("decode", b'{"codes": [[1e999]]}'),
        "letters for 200,000 numbers": ("decode", json.dumps({"codes": [["x"] * 200] * 1000}).encode()),
        "340,000 codes of no dimensions": ("decode", json.dumps({"codes": [[]] * 340_000}).encode()),
        "a code of no dimensions": ("decode", b'{"codes": [[]]}'),
        "more than it may cost": ("score", json.dumps({"data": ["a " * 2000] * 50, "samples": 1000}).encode()),
    }
    return [Shape(name, f"/v1/models/{model}/{operation}", body) for name, (operation, body) in values.items()]


def _paths(model: str) -> list[Shape]:
    """Paths that lead elsewhere."""
    body = b'{"data": ["a"]}'
    return [
        Shape("a path as a model", "/v1/models/..%2f..%2fetc%2fpasswd/encode", body),
        Shape("dots as a model", "/v1/models/%2e%2e/encode", body),
        Shape("NUL in a model", f"/v1/models/{model}%00/encode", body),
        Shape("dots in the page", "/ui/..%2f..%2f..%2fetc%2fpasswd", method="GET", headers={}),
        Shape("an operation that is none", f"/v1/models/{model}/__init__", body),
    ]


def _headers(model: str) -> list[Shape]:
    """Headers that promise something else."""
    encode, body = f"/v1/models/{model}/encode", b'{"data": ["a"]}'
    return [
        Shape("a form", encode, b"data=a", {"content-type": "application/x-www-form-urlencoded"}),
        Shape("no content type", encode, body, {}),
        Shape("a compressed body", encode, gzip.compress(body), {**JSON, "content-encoding": "gzip"}),
        Shape("another host", encode, body, {**JSON, "host": "evil.example"}),
        Shape("a header of 60 kB", encode, body, {**JSON, "x-long": "a" * 60_000}),
        Shape("another method", encode, body, method="DELETE"),
    ]
