"""Answers of operations as JSON, and the schema of it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from latentia.operations import Refused
from latentia.operations.operation import answers_of
from latentia.operations.sinks import plain
from latentia.server.batching import End
from latentia.server.problems import ProblemError, body_of

Row = dict[str, Any]


def row_of(answer: object) -> Row:
    """Return an answer as a JSON object; of numbers that JSON cannot spell there is null."""
    row = plain(answer) if dataclasses.is_dataclass(answer) else {"text": answer}
    found: Row = _spelled(row)
    return found


def _spelled(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _spelled(each) for name, each in value.items()}
    return [_spelled(each) for each in value] if isinstance(value, list) else value


async def whole(events: AsyncIterator[object]) -> bytes:
    """Return all answers as one JSON object."""
    answers: list[Row] = []
    refused: list[Row] = []
    remarks: list[str] = []
    async for event in events:
        if isinstance(event, End):
            remarks = event.remarks
        else:
            (refused if isinstance(event, Refused) else answers).append(row_of(event))
    return as_json({"answers": answers, "refused": refused, "remarks": remarks})


async def lines(events: AsyncIterator[object]) -> AsyncIterator[bytes]:
    """Yield a line of JSON for each answer as it comes; the last line tells that there are no more, or why not."""
    counts = [0, 0]
    try:
        async for event in events:
            if isinstance(event, End):
                end = {"answers": counts[0], "refused": counts[1], "remarks": event.remarks}
                yield as_json({"end": end}) + b"\n"
                return
            refused = isinstance(event, Refused)
            counts[refused] += 1
            yield as_json({"refused" if refused else "answer": row_of(event)}) + b"\n"
    except ProblemError as error:
        yield as_json({"problem": body_of(error.status_code, error.detail, error.remedy)}) + b"\n"


def as_json(value: object) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def response_of(name: str, operation: Callable[..., Any]) -> type[BaseModel]:
    """Return the pydantic model of what an operation answers."""
    kinds = [each for each in answers_of(operation) if each is not Refused]
    rows: Any = Union[tuple(map(_row_model, kinds))]  # noqa: UP007 - of a tuple
    fields: dict[str, Any] = {
        "answers": (list[rows], Field(description="In their order.")),
        "refused": (list[_row_model(Refused)], Field(description="Texts without an answer, and why.")),  # type: ignore[misc]
        "remarks": (list[str], Field(description="What else there is to say.")),
    }
    return create_model(f"{name.capitalize()}Response", **fields)


@cache
def _row_model(kind: type) -> type[BaseModel]:
    if kind is str:
        return create_model("Text", text=(str, ...))
    config = ConfigDict(extra="forbid", protected_namespaces=())
    fields: dict[str, Any] = {name: (_json_type(hint), ...) for name, hint in _hints(kind).items()}
    return create_model(kind.__name__, __config__=config, **fields)


def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in dataclasses.fields(kind)}


def _json_type(hint: Any) -> Any:  # noqa: ANN401 - annotations
    """Return what an annotation becomes in JSON."""
    if hint in (float, float | None):
        return float | None
    if get_origin(hint) in (tuple, list, Sequence):
        return list[_json_type(get_args(hint)[0])]  # type: ignore[misc]
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _row_model(hint)
    return hint if hint in (int, str, bool) else Any
