"""What a request asks of a space: an operation, what it costs, and with what it can be answered together."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from latentia import operations
from latentia.decoding import Strategy
from latentia.operations import TextSpace
from latentia.operations.decode import decoded
from latentia.operations.lines import Located, Remarked, remarks_of
from latentia.operations.operation import CODES, LABELLED, TEXTS, parameters
from latentia.recipes.strategies import strategy_of

WRITTEN = 64
"""Tokens that a text is taken to have that is not written yet."""

CHAIN = 64
"""What a sweep costs, in tokens: each of its chains tries the words of the vocabulary in each blank."""

TOGETHER = {"encode": "data", "reconstruct": "texts", "edit": "texts", "score": "data", "decode": "codes"}
"""Operations with one answer to each member of a list, which depends on nothing beside it but its number."""

UNCOUNTED = {"seed", "dimension", "words", "impute n"}
"""Whole numbers that do not multiply the work, of all operations or of one."""

Answers = Iterator[object]


@runtime_checkable
class Job(Protocol):
    """What waits for the thread of a model; jobs of one key, if it is not empty, are answered together."""

    @property
    def operation(self) -> str:
        """Name of it."""

    @property
    def key(self) -> str:
        """Same for what can be answered together."""

    @property
    def patient(self) -> bool:
        """Whether it waits, for as long as it takes, until nothing else does."""

    @property
    def members(self) -> Sequence[Any]:
        """What is answered one by one."""

    def answers(self, space: TextSpace) -> Iterator[object]:
        """Answer alone."""


@dataclass(frozen=True)
class Call:
    """An operation with its arguments.

    Attributes:
        operation: Its name.
        arguments: By name, as the operation takes them.
        cost: Estimate of the tokens that are read or written.
        key: Same for calls that differ in nothing but the members of their lists; empty if they are answered alone.
    """

    operation: str
    arguments: Mapping[str, Any]
    cost: int
    key: str = ""

    patient: ClassVar[bool] = False

    @property
    def members(self) -> Sequence[Any]:
        """What is answered one by one."""
        found: Sequence[Any] = self.arguments[TOGETHER[self.operation]] if self.key else [None]
        return found

    def answers(self, space: TextSpace) -> Answers:
        """Answer alone."""
        function: Callable[..., Answers] = getattr(operations, self.operation)
        return function(space, **self.arguments)


def call_of(operation: str, request: BaseModel) -> Call:
    """Return what a request asks.

    Raises:
        InputError: If the strategy does not take its settings.
    """
    known = parameters(getattr(operations, operation)).values()
    arguments = {each.name: _argument(each, getattr(request, each.name)) for each in known}
    # Lists of texts to learn a change from have refusals of their own to tell.
    bulk = "" if getattr(request, "to", ()) or getattr(request, "from_", ()) else TOGETHER.get(operation, "")
    settings = request.model_dump_json(exclude={bulk}) if bulk else ""
    return Call(operation, arguments, _cost(operation, request), f"{operation} {settings}" if bulk else "")


def _argument(parameter: Any, value: Any) -> Any:  # noqa: ANN401 - of any parameter
    if parameter.annotation is Strategy:
        return strategy_of(value.kind, value.model_dump(exclude={"kind"}, exclude_unset=True))
    if parameter.annotation == LABELLED:
        return [(each.text, each.label) for each in value]
    return value if value or parameter.annotation not in (TEXTS, CODES) else parameter.default


def _cost(operation: str, request: BaseModel) -> int:
    """Estimate tokens from bytes, of which a token has one at least, times what is drawn or written of each."""
    values = {each.name: getattr(request, each.name) for each in parameters(getattr(operations, operation)).values()}
    repeats = math.prod(max(1, value) for name, value in values.items() if _counts(name, value, operation))
    strategy = getattr(request, "strategy", None)
    width = max([1, *(value for value in dict(strategy or ()).values() if _counts("", value))])
    work = CHAIN if getattr(request, "method", "") == "gibbs" else 1
    return int((WRITTEN + sum(map(_bytes, values.values()))) * repeats * width * work)


def _counts(name: str, value: object, operation: str = "") -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and UNCOUNTED.isdisjoint((name, f"{operation} {name}"))


def _bytes(value: object) -> int:
    """Bytes of all texts in a value; a code is taken for a text."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list):
        return WRITTEN if value and isinstance(value[0], float) else sum(map(_bytes, value))
    return len(value.text.encode()) if hasattr(value, "text") else 0


def together(space: TextSpace, calls: Sequence[Call]) -> list[tuple[list[object], Sequence[str]]]:
    """Answer calls of one key at once; return the answers and remarks of each.

    Each member keeps its number in its own list, on which hangs what is drawn for it.
    """
    answers = _merged(space, calls)
    given = [list(islice(answers, len(call.members))) for call in calls]
    said = isinstance(answers, Remarked) and answers.remarks()
    return [(own, _remarks(space, call, own) if said else ()) for own, call in zip(given, calls, strict=True)]


def _merged(space: TextSpace, calls: Sequence[Call]) -> Answers:
    """Answer the members of all calls, one after another."""
    first, members = calls[0], list(chain.from_iterable(call.members for call in calls))
    lines = [line for call in calls for line in range(1, len(call.members) + 1)]
    if first.operation == "decode":
        return decoded(space, members, lines, first.arguments["strategy"], first.arguments["seed"])
    numbered = [Located(text, line=line) for text, line in zip(members, lines, strict=True)]
    return Call(first.operation, {**first.arguments, TOGETHER[first.operation]: numbered}, 0).answers(space)


def _remarks(space: TextSpace, call: Call, own: Sequence[object]) -> Sequence[str]:
    """Say of the texts and answers of one call what was said of those of all."""
    read = space.answered(call.members, lambda chosen, _: repeat(None, len(chosen)))
    deque(read, maxlen=0)
    return [*read.remarks(), *remarks_of(own)]
