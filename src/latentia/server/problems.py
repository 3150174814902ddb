"""Refusals as problem details (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Response
from starlette.exceptions import HTTPException

from latentia.errors import LatentiaError
from latentia.server.limits import Limits

MEDIA_TYPE = "application/problem+json"

SCHEMA = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail", "remedy"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "remedy": {"type": "string"},
    },
}


class ProblemError(HTTPException):
    """A request that is refused: its status, what is wrong, and what to do about it."""

    def __init__(self, status: int, detail: str, remedy: str, headers: Mapping[str, str] | None = None) -> None:
        """Keep the parts."""
        super().__init__(status, detail, headers)
        self.remedy = remedy


def busy(detail: str, *, status: int = 429, seconds: int = 1) -> ProblemError:
    """Refuse what may be asked again later."""
    return ProblemError(status, detail, f"ask again in {seconds} s", {"Retry-After": str(seconds)})


def too_long_headers(limits: Limits) -> ProblemError:
    """Refuse more headers than are taken."""
    return ProblemError(431, "the headers are too long", f"send {limits.header_bytes:,} bytes at most")


def unanswerable(error: LatentiaError) -> ProblemError:
    """Refuse what is well-formed and cannot be done."""
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, error.message, error.remedy)


def body_of(status: int, detail: str, remedy: str) -> dict[str, object]:
    """Return the members of a problem."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "remedy": remedy}


def response_of(error: HTTPException) -> Response:
    """Return a problem as a response."""
    remedy = getattr(error, "remedy", "see /openapi.json")
    content = json.dumps(body_of(error.status_code, str(error.detail), remedy), ensure_ascii=True)
    return Response(content, error.status_code, dict(error.headers or {}), MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, object]]:
    """Describe responses of some statuses."""
    content = {MEDIA_TYPE: {"schema": SCHEMA}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
