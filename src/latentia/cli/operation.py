"""From the signature of an operation to its command.

A parameter without a default is an argument, the others are options; texts are arguments, or lines of ``--data``. A
strategy is chosen by name, and the settings of all strategies are options beside it. Help is the docstring.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_origin

import numpy as np
import typer
from typer.core import TyperCommand

from latentia import operations
from latentia.cli.console import remarks, results
from latentia.cli.options import Run
from latentia.data import Columns, read_texts
from latentia.decoding import Strategy
from latentia.errors import InputError
from latentia.operations import Refused
from latentia.operations.operation import is_plain, parameters
from latentia.recipes.build import build, validate
from latentia.recipes.families import members
from latentia.recipes.runs import load, sources_of

TEXTS = Iterable[str]

REFUSALS_SHOWN = 20

NOT_GIVEN = None
"""What typer passes for an option that was not given."""


def command_of(name: str) -> TyperCommand:
    """Make the command of an operation."""
    operation = getattr(operations, name)
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
    alone.command(name)(_callback(operation))
    command: TyperCommand = typer.main.get_command(alone)  # type: ignore[assignment] # of one command
    return command


def _callback(operation: Callable[..., Iterator[object]]) -> Callable[..., None]:
    """Return a function that typer can read and call."""
    known = parameters(operation).values()

    def run_operation(run: Path, as_json: bool, **given: object) -> None:
        arguments = {each.name: _value(each, given, run) for each in known}
        _print(operation(load(run), **arguments), as_json)

    own = [shown for each in known for shown in _typed(each, _helps(operation))]
    as_json = _option("as_json", bool, False, "Print a JSON object a line.", "--json")
    run_operation.__doc__ = _documentation(operation).partition("\n\n")[0]
    run_operation.__signature__ = inspect.Signature([_parameter("run", Run), *own, as_json])  # type: ignore[attr-defined]
    run_operation.__annotations__ = {}
    return run_operation


def _typed(parameter: inspect.Parameter, helps: Mapping[str, str]) -> list[inspect.Parameter]:
    """Return what typer is to read in place of a parameter of an operation."""
    name, annotation, text = parameter.name, parameter.annotation, helps[parameter.name]
    if annotation is Strategy:
        return [_option(name, str, type(parameter.default).__name__, text), *_of_strategies()]
    if annotation == TEXTS and parameter.kind is parameter.KEYWORD_ONLY:
        return [_option(name, list[str], [], f"{text} A file of them; may be repeated.")]
    if annotation == TEXTS:
        argument = typer.Argument(metavar="TEXT", help=text, show_default=False)
        files = _option("data", list[str], [], "A file of such texts instead; may be repeated.")
        return [_parameter(name, Annotated[list[str], argument], default=[]), files]
    if not is_plain(annotation):
        raise TypeError(f"{name}: {annotation} has no spelling on the command line")
    if parameter.default is inspect.Parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
        argument = typer.Argument(metavar=name.upper(), help=text)
        return [_parameter(name, Annotated[_spelled(annotation), argument])]
    return [_option(name, _spelled(annotation), parameter.default, text)]


def _of_strategies() -> list[inspect.Parameter]:
    """An option for each setting that any strategy has; its default says which have it."""
    owners: dict[str, list[type]] = {}
    for kind in members(Strategy).values():
        for name in _settings_of(kind):
            owners.setdefault(name, []).append(kind)
    return [_of_strategy(name, kinds) for name, kinds in owners.items()]


def _of_strategy(name: str, kinds: Sequence[type]) -> inspect.Parameter:
    """An option for a setting that strategies have; without a value they keep their own."""
    text = f"Of {', '.join(kind.__name__ for kind in kinds)}: {_helps(kinds[0])[name]}"
    return _option(name, _spelled(_settings_of(kinds[0])[name].annotation), NOT_GIVEN, text)


def _value(parameter: inspect.Parameter, given: Mapping[str, Any], run: Path) -> object:
    """Return an argument of an operation from what was given on the command line."""
    value = given[parameter.name]
    if parameter.annotation is Strategy:
        names = {name for kind in members(Strategy).values() for name in _settings_of(kind)}
        return strategy_of(value, {name: given[name] for name in names if given[name] is not NOT_GIVEN})
    if parameter.annotation == TEXTS and parameter.kind is parameter.KEYWORD_ONLY:
        return _lines(value, run)
    if parameter.annotation == TEXTS:
        return _texts(value, given["data"], run)
    return value


def _texts(given: list[str], files: list[str], run: Path) -> Iterable[str]:
    """Return the texts given as arguments, or the lines of files.

    Raises:
        InputError: If there are none, or both.
    """
    if given and files:
        raise InputError("texts and --data are given", "give either")
    if not given and not files:
        raise InputError("there is no text", "give some, or a file of them with --data")
    return given or _lines(files, run)


def _lines(files: list[str], run: Path) -> Iterable[str]:
    """Return the texts of files, whose columns are those of the run's data."""
    return read_texts(files, Columns(sources_of(run).columns.text)) if files else ()


def strategy_of(name: str, settings: Mapping[str, object]) -> Strategy:
    """Build a strategy.

    Raises:
        InputError: If there is none of this name, or it has no such setting.
        RecipeError: If a value is out of range.
    """
    known = members(Strategy)
    if name not in known:
        raise InputError(f"there is no strategy {name!r}", f"take one of {', '.join(known)}")
    for setting in settings.keys() - _settings_of(known[name]).keys():
        having = [other for other, kind in known.items() if setting in _settings_of(kind)]
        raise InputError(f"{name} has no {setting}", f"take it with --strategy {' or '.join(having)}")
    strategy: Strategy = build(known[name], validate(known[name], settings), {})
    return strategy


def _print(answers: Iterator[object], as_json: bool) -> None:
    """Print answers as they come, and refusals apart from them.

    Raises:
        InputError: At the end, if there was any refusal.
    """
    refused, total = [], 0
    for answer in answers:
        total += 1
        if isinstance(answer, Refused):
            refused.append(answer)
        else:
            results.print(_as_json(answer) if as_json else str(answer), markup=False)
    if total == len(refused) == 1:
        raise refused[0].as_error()
    for each in refused[:REFUSALS_SHOWN]:
        remarks.print(str(each), markup=False)
    if refused:
        raise InputError(f"{len(refused):,} of {total:,} texts got no answer", "mend or remove them")


def _as_json(answer: object) -> str:
    fields = dataclasses.asdict(answer) if dataclasses.is_dataclass(answer) else {"text": answer}  # type: ignore[arg-type]
    return json.dumps(fields, ensure_ascii=False, default=_listed)


def _listed(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def _helps(documented: Callable[..., object]) -> dict[str, str]:
    """Return what the docstring of a function or class says of each of its arguments."""
    section = _documentation(documented).partition("Args:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _documentation(documented: Callable[..., object]) -> str:
    return inspect.getdoc(documented) or ""


def _settings_of(strategy: type) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(strategy, eval_str=True).parameters


def _option(name: str, kind: object, default: object, text: str, *spellings: str) -> inspect.Parameter:
    """Describe an option to typer; one of a single letter has a single dash.

    A name that is a word of the language ends with an underscore, which the option leaves out.
    """
    spelled = spellings or (f"-{name}" if len(name) == 1 else f"--{name.rstrip('_').replace('_', '-')}",)
    shown = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    panel = "Strategy" if default is NOT_GIVEN else None
    option = typer.Option(*spelled, help=text.replace("``", ""), show_default=shown, rich_help_panel=panel)
    return _parameter(name, Annotated[kind, option], default=default)


def _parameter(name: str, annotation: object, **default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, **default)


def _spelled(annotation: Any) -> object:  # noqa: ANN401 - any plain annotation
    """Return the type that typer reads a plain value as; the operation checks its range."""
    if hasattr(annotation, "__metadata__"):
        return _spelled(annotation.__origin__)
    if get_origin(annotation) is Sequence:
        return list[str]
    return annotation if isinstance(annotation, type) else str
