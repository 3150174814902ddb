"""Strategies by name, with their settings beside it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from latentia.decoding import Strategy
from latentia.decoding.repetition import RepetitionControl
from latentia.errors import InputError
from latentia.recipes.build import build, validate
from latentia.recipes.families import members

CONTROLS = ("repetition_penalty", "no_repeat")
"""Settings of repetition, which go with every strategy."""


def strategy_of(name: str, settings: Mapping[str, object]) -> Strategy:
    """Build a strategy.

    Raises:
        InputError: If there is none of this name, or it has no such setting.
        RecipeError: If a value is out of range.
    """
    known = members(Strategy)
    if name not in known:
        raise InputError(f"there is no strategy {name!r}", f"take one of {', '.join(known)}")
    controls = {setting: value for setting, value in settings.items() if setting in CONTROLS}
    own = {setting: value for setting, value in settings.items() if setting not in CONTROLS}
    for setting in own.keys() - settings_of(known[name]).keys():
        having = [other for other, kind in known.items() if setting in settings_of(kind)]
        raise InputError(f"{name} has no {setting}", f"take it with --strategy {' or '.join(having)}")
    kind, node = known[name], own
    if controls:
        kind, node = RepetitionControl, {"strategy": {"kind": name, **own}, **controls}
    strategy: Strategy = build(kind, validate(kind, node), {})
    return strategy


def settings_of(strategy: type) -> Mapping[str, inspect.Parameter]:
    """Return the settings of a strategy as the parameters of its constructor."""
    return inspect.signature(strategy, eval_str=True).parameters
