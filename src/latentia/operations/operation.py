"""What makes a function an operation: its signature is its schema, in Python, on the command line and in requests."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar, get_args, get_origin

from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from torch import Tensor

from latentia.decoding import Strategy
from latentia.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")

PLAIN = (bool, int, float, str)

TEXTS = Iterable[str]
LABELLED = Iterable[tuple[str, str]]
CODES = Iterable[Tensor | NDArray[Any] | Sequence[Any]]
"""What is given in bulk: files on the command line, lists in a request."""


def operation(function: Callable[P, R]) -> Callable[P, R]:
    """Check the plain arguments of a function against its annotations whenever it is called.

    Plain are truth values, numbers and texts, sequences and unions of them and choices among literals, each perhaps
    ``Annotated`` with a range; what else the function takes it must check itself.

    Raises:
        InputError: In place of a call with an argument of the wrong type or out of range.

    >>> from latentia.shapes import PositiveInt
    >>> @operation
    ... def repeated(text: str, n: PositiveInt = 2) -> str:
    ...     return text * n
    >>> repeated("a", n=0)
    Traceback (most recent call last):
    latentia.errors.InputError: n is 0: input should be greater than or equal to 1
    """
    signature = inspect.signature(function)

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        for name, check in _plain(function).items():
            if name in bound.arguments:
                bound.arguments[name] = _valid(name, check, bound.arguments[name])
        _require_strategy(bound.arguments.get("strategy"))
        return function(*bound.args, **bound.kwargs)

    return checked


def _require_strategy(given: object) -> None:
    if given is not None and not isinstance(given, Strategy):
        raise InputError(f"strategy is {given!r}", "give an object of latentia.decoding, such as Beam()")


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of an operation but the space, their annotations evaluated."""
    found = dict(inspect.signature(inspect.unwrap(function), eval_str=True).parameters)
    found.pop(next(iter(found)))
    return found


def answers_of(function: Callable[..., Any]) -> tuple[type, ...]:
    """Return the kinds of what an operation yields, refusals among them."""
    (answer,) = get_args(inspect.signature(function, eval_str=True).return_annotation)
    return get_args(answer) or (answer,)


def helps(documented: Callable[..., object]) -> dict[str, str]:
    """Return what the docstring of a function or class says of each of its arguments."""
    section = (inspect.getdoc(documented) or "").partition("Args:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def is_plain(annotation: Any) -> bool:  # noqa: ANN401 - any annotation
    """Tell whether values of a type are data, which a command or a request can spell."""
    origin = get_origin(annotation)
    if hasattr(annotation, "__metadata__"):
        return is_plain(annotation.__origin__)
    if origin is None:
        return annotation in PLAIN
    if origin is Sequence:
        return all(map(is_plain, get_args(annotation)))
    return all(isinstance(each, PLAIN) for each in get_args(annotation))


@cache
def _plain(function: Callable[..., Any]) -> dict[str, Callable[[object], Any]]:
    """Return what checks each plain parameter."""
    annotated = inspect.signature(function, eval_str=True).parameters
    plain = {name: each.annotation for name, each in annotated.items() if is_plain(each.annotation)}
    return {name: TypeAdapter(annotation).validate_python for name, annotation in plain.items()}


def _valid(name: str, check: Callable[[object], Any], value: object) -> Any:  # noqa: ANN401
    try:
        return check(value)
    except ValidationError as error:
        raise InputError(f"{name} is {value!r}", _remedy(error.errors()[0])) from None


def _remedy(problem: ErrorDetails) -> str:
    """Say what a validator asks for; of one text for many, and of no number, it speaks in terms of its own."""
    if problem["type"] == "sequence_str":
        return "give a list of texts"
    if any(isinstance(bound, float) and math.isinf(bound) for bound in problem.get("ctx", {}).values()):
        return "give a finite number"
    return problem["msg"][:1].lower() + problem["msg"][1:]
