"""From the tree of a recipe to objects: constructor signatures are the schema.

A class's parameters are the keys of its node. A parameter whose type is the abstract base of a family takes a
node with ``kind``, looked up in that family's registry; one whose type is another class of the package takes that
class's node; anything else is a plain value, checked by pydantic. A family may say which of its kinds does nothing
(``if_left_out``), so that a recipe need not mention it, and which kind a node without ``kind`` is (``if_unnamed``). A
few sizes are told once, at the node that owns them, and handed down to every part that asks for them (``SHARED``).
"""

import difflib
import inspect
from collections.abc import Mapping
from functools import cache, partial
from typing import Annotated, Any, Literal, Union, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from latentia.errors import RecipeError
from latentia.recipes.families import FAMILIES, members

SHARED = ("vocabulary_size", "latent_dim", "hidden_dim")
"""Sizes that flow down from the node that sets them."""

Settings = dict[str, Any]


def validate(kind: type, settings: Mapping[str, Any], shared: frozenset[str] = frozenset()) -> Settings:
    """Check the settings of a class and of everything under it, and fill in defaults.

    Raises:
        RecipeError: For an unknown key, naming the nearest valid one, a wrong type or a value out of range.
    """
    model = _schema(kind, shared)
    try:
        return model.model_validate(dict(settings)).model_dump()
    except ValidationError as error:
        raise _explain(error, model) from None


def build(kind: type, settings: Mapping[str, Any], shared: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any class of a family
    """Construct a class from validated settings; ``shared`` holds the sizes told further up."""
    types = _parameters(kind)
    below = {**shared, **{name: settings[name] for name in SHARED if name in settings and name in types}}
    arguments = {
        name: below[name] if name in SHARED else build_part(annotation, settings[name], below)
        for name, (annotation, _) in types.items()
    }
    return kind(**arguments)


def build_part(annotation: Any, setting: Any, shared: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Construct what stands at a parameter of this type: a member of a family, another class, or a plain value."""
    if annotation in FAMILIES:
        node = dict(setting)
        return build(members(annotation)[node.pop("kind")], node, shared)
    return build(annotation, setting, shared) if _is_part(annotation) else setting


def takes(kind: object, name: str) -> bool:
    """Tell whether a kind of any family has a parameter; one that is in no family is not ruled out."""
    found = [members(family)[kind] for family in FAMILIES if isinstance(kind, str) and kind in members(family)]
    return not found or any(name in _parameters(member) for member in found)


def json_schema(kind: type, shared: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the JSON Schema of a class's node."""
    return _schema(kind, shared).model_json_schema()


@cache
def _parameters(kind: type) -> dict[str, tuple[Any, Any]]:
    """Annotation and default of each constructor parameter."""
    signature = inspect.signature(kind.__init__, eval_str=True)  # type: ignore[misc] # read, never called
    named = [p for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"]
    return {p.name: (p.annotation, p.default) for p in named}


@cache
def _schema(kind: type, shared: frozenset[str]) -> type[BaseModel]:
    """Return the pydantic model of a class's node; sizes already shared are not its keys."""
    below = shared | {name for name in _parameters(kind) if name in SHARED}
    fields: dict[str, Any] = {
        name: (_field(annotation, below), _default(annotation, default))
        for name, (annotation, default) in _parameters(kind).items()
        if name not in shared
    }
    config = ConfigDict(extra="forbid", strict=True, title=kind.__name__, protected_namespaces=())
    return create_model(kind.__name__, __config__=config, **fields)


def _default(annotation: Any, default: Any) -> Any:  # noqa: ANN401
    """Return what a key is when a recipe leaves it out; ``...`` where it may not."""
    if annotation in FAMILIES and hasattr(annotation, "if_left_out"):
        return Field(default={"kind": annotation.if_left_out}, validate_default=True)
    return ... if default is inspect.Parameter.empty else default


def _field(annotation: Any, shared: frozenset[str]) -> Any:  # noqa: ANN401
    if annotation in FAMILIES:
        options = tuple(_tagged(name, kind, shared) for name, kind in sorted(members(annotation).items()))
        if len(options) == 1:
            return options[0]
        unnamed = BeforeValidator(partial(_named, getattr(annotation, "if_unnamed", "")))
        return Annotated[Union[options], Field(discriminator="kind"), unnamed]  # noqa: UP007 - the options are a tuple
    return _schema(annotation, shared) if _is_part(annotation) else annotation


def _named(kind: str, node: Any) -> Any:  # noqa: ANN401
    """Give a node without a kind the one that its family takes it for, if there is one."""
    return {"kind": kind, **node} if kind and isinstance(node, dict) else node


def _tagged(name: str, kind: type, shared: frozenset[str]) -> type[BaseModel]:
    """Return a member's schema with the key that names it."""
    return create_model(name, __base__=_schema(kind, shared), kind=(Literal[name], ...))  # type: ignore[arg-type]


def _is_part(annotation: Any) -> bool:  # noqa: ANN401
    return isinstance(annotation, type) and annotation.__module__.startswith("latentia.")


def _explain(error: ValidationError, model: type[BaseModel]) -> RecipeError:
    """Turn the first complaint into one line and a remedy; a wrong kind comes before what it makes of its node."""
    first = min(error.errors(), key=lambda complaint: complaint["loc"][-1:] != ("kind",))
    path = [part for part in first["loc"] if isinstance(part, str)]
    known = _names_in(_node_at(model, path[:-1]))
    shown = ".".join(part for part in path if not _is_kind(part))
    if first["type"] == "extra_forbidden":
        nearest = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.0)
        return RecipeError(
            f"unknown key {shown}", f"the nearest valid key is {nearest[0]}; all: {', '.join(sorted(known))}"
        )
    if first["type"] == "union_tag_invalid":
        choices = first["ctx"]["expected_tags"].replace("'", "")
        tag = first["ctx"]["tag"]
        nearest = difflib.get_close_matches(tag, choices.split(", "), n=1, cutoff=0.0)
        return RecipeError(f"{shown}.kind is {tag!r}", f"the nearest valid kind is {nearest[0]}; all: {choices}")
    if first["type"] == "literal_error" and path[-1] == "kind":
        return RecipeError(f"{shown} is {first['input']!r}", f"the only kind is {first['ctx']['expected']}")
    if first["type"] == "union_tag_not_found":
        return RecipeError(f"{shown} has no kind", f"give it one: {', '.join(_names_in(_node_at(model, path)))}")
    if first["type"] in ("model_type", "model_attributes_type", "dict_type"):
        node = _node_at(model, path)
        what = f"{shown}.kind is one of" if get_args(node) else "it has settings of its own"
        return RecipeError(f"{shown} is {first['input']!r}", f"{what}: {', '.join(sorted(_names_in(node)))}")
    if first["type"] == "missing":
        return RecipeError(f"{shown} is missing", "give it a value")
    return RecipeError(f"{shown} is {first['input']!r}", _sentence(first["msg"]))


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:]


def _is_kind(part: str) -> bool:
    """Pydantic puts the tag of a union into the path; a reader of the recipe does not look for it there."""
    return any(part in members(family) for family in FAMILIES)


def _node_at(node: Any, path: list[str]) -> Any:  # noqa: ANN401
    """Node at a path of pydantic's, in which the tag follows the key of a family."""
    for part in path:
        tagged = {option.__name__: option for option in get_args(node)}
        node = tagged[part] if tagged else node.model_fields[part].annotation
    return node


def _names_in(node: Any) -> list[str]:  # noqa: ANN401
    """Keys of a node, or the kinds that it may have."""
    return [option.__name__ for option in get_args(node)] or list(node.model_fields)
