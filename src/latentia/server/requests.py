"""From the signature of an operation to the schema of its requests."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, StringConstraints, create_model

from latentia.decoding import Strategy
from latentia.decoding.repetition import RepetitionControl
from latentia.operations.operation import CODES, LABELLED, TEXTS, helps, is_plain, parameters
from latentia.recipes.families import members
from latentia.recipes.strategies import CONTROLS, settings_of
from latentia.server.limits import Limits

STRICT = ConfigDict(extra="forbid", strict=True, protected_namespaces=(), allow_inf_nan=False)

WITHOUT_NUL = r"^[^\x00]*$"

LARGEST_SEED = 2**53 - 1
"""Whole numbers up to this are the same to all readers of JSON."""

LARGEST_COORDINATE = 1e6

BULK = (TEXTS, CODES)
"""Types of lists whose members are answered one by one."""


@cache
def request_of(name: str, operation: Callable[..., Any], limits: Limits) -> type[BaseModel]:
    """Return the pydantic model of an operation's requests."""
    texts, fields = helps(operation), {}
    for parameter in parameters(operation).values():
        kind = _type_of(parameter, limits)
        default = ... if parameter.default is inspect.Parameter.empty else _default(parameter)
        alias = spelled(parameter.name)
        fields[parameter.name] = (kind, Field(default, alias=alias, description=texts[parameter.name]))
    title = f"{name.capitalize()}Request"
    return create_model(title, __config__=STRICT, **fields)  # type: ignore[call-overload,no-any-return]


def spelled(name: str) -> str:
    """Name a parameter; one that is a word of Python's ends with an underscore there."""
    return name.rstrip("_")


def _default(parameter: inspect.Parameter) -> Any:  # noqa: ANN401 - of any parameter
    if parameter.annotation is Strategy:
        return {"kind": type(parameter.default).__name__}
    return list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default


def _type_of(parameter: inspect.Parameter, limits: Limits) -> Any:  # noqa: ANN401 - an annotation
    """Return the type of a field."""
    text, annotation = _text(limits), parameter.annotation
    if annotation is Strategy:
        return _strategies(limits)
    if annotation == TEXTS:
        return _list(text, limits, parameter)
    if annotation == LABELLED:
        return _list(_labelled(limits), limits, parameter)
    if annotation == CODES:
        number = _number((), LARGEST_COORDINATE)
        return _list(_members(number, 0, limits), limits, parameter)
    if not is_plain(annotation):
        raise TypeError(f"{parameter.name}: {annotation} has no spelling in a request")
    return bounded(parameter.name, annotation, limits)


def _list(item: Any, limits: Limits, parameter: inspect.Parameter) -> Any:  # noqa: ANN401 - annotations
    """A list, which has members where it must be given."""
    fewest = 1 if parameter.default is inspect.Parameter.empty else 0
    return _members(item, fewest, limits)


def _members(item: Any, fewest: int, limits: Limits) -> Any:  # noqa: ANN401 - annotations
    """A list, of which nothing is looked at behind the first member that is wrong: each would cost a complaint."""
    return Annotated[list[item], Field(min_length=fewest, max_length=limits.texts), FailFast()]


def bounded(name: str, annotation: Any, limits: Limits) -> Any:  # noqa: ANN401 - annotations
    """Return the type of a plain value in a request: that of the operation, with a largest value."""
    bounds = getattr(annotation, "__metadata__", ())
    kind = annotation.__origin__ if bounds else annotation
    if kind is int:
        return Annotated[(int, *bounds, Le(LARGEST_SEED if name == "seed" else limits.count), WHOLE)]
    if kind is float:
        return _number(bounds, limits.magnitude)
    if kind is str:
        return _text(limits)
    if get_origin(kind) is Sequence:
        (item,) = get_args(kind)
        return _members(bounded(name, item, limits), 0, limits)
    return annotation


def _number(bounds: Sequence[object], most: float) -> Any:  # noqa: ANN401 - an annotation
    """A finite number; infinity has no spelling in JSON, so that it is no bound either."""
    kept = [each for each in bounds if isinstance(each, Ge | Gt | Le | Lt) and math.isfinite(_limit(each))]
    return Annotated[(float, *kept, Ge(-most), Le(most), Field(allow_inf_nan=False))]


def _whole(value: object) -> object:
    """Take 3.0 for 3, which is an integer by the schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)


def _limit(bound: Ge | Gt | Le | Lt) -> float:
    (value,) = vars(bound).values() if hasattr(bound, "__dict__") else (getattr(bound, bound.__slots__[0]),)
    return float(value)


def _text(limits: Limits) -> Any:  # noqa: ANN401 - an annotation
    return Annotated[str, StringConstraints(max_length=limits.characters, pattern=WITHOUT_NUL)]


@cache
def _labelled(limits: Limits) -> type[BaseModel]:
    text = _text(limits)
    fields: dict[str, Any] = {"text": (text, ...), "label": (Annotated[text, Field(min_length=1)], ...)}
    return create_model("Labelled", __config__=STRICT, **fields)


@cache
def _strategies(limits: Limits) -> Any:  # noqa: ANN401 - a union
    """One model a strategy, told apart by ``kind``."""
    kinds = tuple(_strategy(name, kind, limits) for name, kind in sorted(members(Strategy).items()))
    return Annotated[Union[kinds], Field(discriminator="kind", validate_default=True)]  # noqa: UP007 - of a tuple


def _strategy(name: str, kind: type, limits: Limits) -> type[BaseModel]:
    controls = settings_of(RepetitionControl)
    own: Mapping[str, inspect.Parameter] = {**settings_of(kind), **{each: controls[each] for each in CONTROLS}}
    texts = {**helps(RepetitionControl), **helps(kind)}
    fields: dict[str, Any] = {
        each.name: (bounded(each.name, each.annotation, limits), Field(each.default, description=texts[each.name]))
        for each in own.values()
    }
    return create_model(name, __config__=STRICT, kind=(Literal[name], ...), **fields)  # type: ignore[arg-type]
