"""The recipes that come with the package, and those in files."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import yaml

from latentia.durable import read_bounded
from latentia.errors import RecipeError, RunError
from latentia.recipes.build import Settings
from latentia.recipes.recipe import Recipe

DEFAULT = "default"

LONGEST = 2**18
"""Bytes of a recipe; those of the package have some hundreds, with every default spelled out some thousands."""


class _Loader(yaml.SafeLoader):
    """Safe YAML with the plain values of YAML 1.2: ``1e-3`` is a number, ``010`` is ten, ``off`` is a word."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}  # type: ignore[misc]

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - the library carries no types
        """Refuse an alias: a few lines of aliases of aliases stand for more values than fit into memory."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias, *name, is not allowed")
        return super().compose_node(parent, index)


_PLAIN_VALUES = {
    "null": (r"(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "bool": (r"(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "int": (r"[-+]?\d+$", list("-+0123456789")),
    "float": (
        r"([-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$",
        list("-+0123456789."),
    ),
}
for _name, (_pattern, _first) in _PLAIN_VALUES.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(_pattern), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))


def parse_yaml(text: str, origin: str) -> Any:  # noqa: ANN401 - YAML is any tree
    """Parse YAML of plain values.

    Raises:
        RecipeError: If it is no YAML, or holds tags that would build objects.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"{origin} is no valid YAML ({_first_line(error)})", "mend the line it names") from None


def recipe_names() -> list[str]:
    """Names of the recipes in the package.

    >>> "vae" in recipe_names()
    True
    """
    return sorted(entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml"))


def load_recipe(name: str) -> Recipe:
    """Load a recipe by its name in the package, or from a file whose name ends in ``.yaml``.

    A recipe that ``extends`` one of the package holds only what it changes there; ``about`` is all its own.

    Raises:
        RecipeError: If there is none, or it is not valid.
    """
    try:
        return _recipe(_tree(recipe_text(name), name))
    except RecipeError as error:
        if name in recipe_names() or name in error.message:
            raise
        raise RecipeError(f"{name}: {error.message}", error.remedy) from None


def origin_of(settings: Settings) -> str:
    """Name the recipe of the package that differs least from some settings, and what is changed in it.

    >>> origin_of(load_recipe("vae").with_settings([("training.epochs", 3)]).settings)
    '`vae` (changed: training.epochs=3)'
    """
    own = _values(settings)
    others = {name: _values(load_recipe(name).settings) for name in recipe_names()}
    nearest = min(others, key=lambda name: len(own.items() ^ others[name].items()))
    changes = [f"{path}={value}" for path, value in own.items() if others[nearest].get(path) != value]
    return f"`{nearest}`" + (f" (changed: {', '.join(changes)})" if changes else "")


def _values(settings: Settings) -> dict[str, str]:
    """Return the values of a recipe by their paths, without what it says about itself."""
    parts = {name: part for name, part in settings.items() if name != "about"}
    return {path: json.dumps(value) for path, value in _assignments(parts, "")}


def recipe_text(name: str) -> str:
    """Return the YAML of a recipe as it is written."""
    if name in recipe_names():
        text: str = (_folder() / f"{name}.yaml").read_text(encoding="utf-8")
        return text
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        try:
            return read_bounded(path, LONGEST).decode()
        except RunError as error:
            raise RecipeError(error.message, "check the path") from None
        except UnicodeDecodeError:
            raise RecipeError(f"{name} cannot be read (not UTF-8)", "check the path") from None
    nearest = difflib.get_close_matches(name, recipe_names(), n=1, cutoff=0.0)[0]
    raise RecipeError(
        f"there is no recipe {name!r}", f"the nearest is {nearest}; `latentia recipes` lists all; a file ends in .yaml"
    )


def _tree(text: str, origin: str) -> dict[str, Any]:
    tree = parse_yaml(text, origin)
    if not isinstance(tree, dict):
        raise RecipeError(f"{origin} is no recipe", "a recipe has the sections about, data, model, objective, training")
    return tree


def _recipe(tree: dict[str, Any]) -> Recipe:
    changes = {key: value for key, value in tree.items() if key not in {"extends", "about"}}
    if "extends" not in tree:
        return Recipe(tree)
    base = tree["extends"]
    if base not in recipe_names():
        raise RecipeError(f"extends names {base!r}", f"it may name {', '.join(recipe_names())}")
    settings = {**load_recipe(base).settings, "about": tree.get("about", {})}
    return Recipe(settings).with_settings(list(_assignments(changes, "")))


def _assignments(tree: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Flatten a tree of changes to paths and values; a kind comes first, because it starts its node anew."""
    for key, value in sorted(tree.items(), key=lambda item: item[0] != "kind"):
        if isinstance(value, dict):
            yield from _assignments(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _folder() -> Any:  # noqa: ANN401 - a Traversable, whose type moved between Python versions
    return files("latentia.recipes.library") / "text"


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
