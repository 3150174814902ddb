"""Codes of texts under the address and in the shape that clients of OpenAI's embeddings know."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from latentia.operations import Encoded, Refused, TextSpace, encode
from latentia.server.answers import as_json
from latentia.server.calls import Call, call_of
from latentia.server.limits import Limits
from latentia.server.problems import ProblemError
from latentia.server.requests import STRICT, WHOLE, WITHOUT_NUL, request_of

Text = Annotated[str, StringConstraints(min_length=1, max_length=Limits.characters, pattern=WITHOUT_NUL)]


class EmbeddingRequest(BaseModel):
    """Texts, and the model that encodes them."""

    model_config = STRICT

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=Limits.texts)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None = Field(None, description="Of the model.")
    user: Annotated[str, StringConstraints(max_length=200)] = Field("", description="Is not looked at.")


class Embedding(BaseModel):
    """The code of a text."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """Tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingResponse(BaseModel):
    """The codes of all texts, in their order."""

    model_config = ConfigDict(protected_namespaces=())

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


def call_of_embeddings(request: EmbeddingRequest, space: TextSpace, limits: Limits) -> Call:
    """Return the operation that a request asks for.

    Raises:
        ProblemError: If other dimensions are asked for than the model has, or it has no one code a text.
    """
    if not space.model.whole_codes:
        raise ProblemError(422, "this model has one code a token", "name a model of one code a text")
    if request.dimensions not in (None, space.model.latent_dim):
        raise ProblemError(422, f"dimensions is {request.dimensions}", f"this model has {space.model.latent_dim}")
    texts = [request.input] if isinstance(request.input, str) else request.input
    return call_of("encode", request_of("encode", encode, limits)(data=texts))


async def embeddings(request: EmbeddingRequest, space: TextSpace, events: AsyncIterator[object]) -> Response:
    """Return the codes; of texts that cannot be read there are none for all.

    Raises:
        ProblemError: If a text cannot be read.
    """
    codes: list[Encoded] = []
    async for event in events:
        if isinstance(event, Refused):
            raise ProblemError(422, f"text {event.line} {event.problem}", event.remedy)
        codes += [event] if isinstance(event, Encoded) else []
    tokens = sum(map(len, space.tokenizer.encode_batch([each.text for each in codes])))
    content = {
        "object": "list",
        "data": [_embedding(place, code.code, request.encoding_format) for place, code in enumerate(codes)],
        "model": request.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return Response(as_json(content), media_type="application/json")


def _embedding(place: int, code: Any, form: str) -> dict[str, object]:  # noqa: ANN401 - an array
    numbers = np.asarray(code, dtype="<f4")
    spelled = numbers.tolist() if form == "float" else base64.b64encode(numbers.tobytes()).decode()
    return {"object": "embedding", "index": place, "embedding": spelled}
