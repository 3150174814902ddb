"""From the signature of an operation to its command.

A parameter without a default is an argument, the others are options; texts are arguments, or lines of ``--data``; what
is called data are files. Answers are printed, or written with ``--out``. A strategy is chosen by name, and the settings
of all strategies are options beside it. Help is the docstring.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

import typer
from typer.core import TyperCommand

from latentia import operations
from latentia.cli.answers import Refusals, print_answers, save_answers
from latentia.cli.lines import Lines
from latentia.cli.progress import Bar
from latentia.cli.vectors import vectors
from latentia.data import Columns
from latentia.decoding import Strategy
from latentia.decoding.repetition import RepetitionControl
from latentia.errors import InputError
from latentia.operations.lines import Refused, Remarked
from latentia.operations.operation import CODES, LABELLED, TEXTS, answers_of, helps, is_plain, parameters
from latentia.operations.sinks import require_writable, suffixes_for
from latentia.recipes.families import members
from latentia.recipes.runs import load
from latentia.recipes.strategies import CONTROLS, settings_of, strategy_of

LONGEST_NAME = 256
"""Characters of a text above which it is not looked for among the files."""

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
    known, suffixes = parameters(operation).values(), suffixes_for(answers_of(operation))

    def run_operation(run: Path, as_json: bool, out: str, overwrite: bool, refused: str = "", **given: object) -> None:
        _require_files(as_json, out, refused, overwrite, suffixes)
        _require_other_files([out, refused], _read_from(known, given))
        columns = Columns(str(given.get("text_column", "")), str(given.get("label_column", "")))
        with Bar(into_file=bool(out)) as bar:
            lines = Lines(run, columns, bar)
            # Files before the model: a slip in a name is told at once.
            values = {each.name: _value(each, given, lines) for each in known}
            answers = operation(load(run), **values)
            shown = Remarked.of(answers, bar.counted(answers, "answers", _expected(given)))
            if out:
                save_answers(shown, Path(out), overwrite, Refusals(refused))
            else:
                print_answers(shown, as_json, Refusals(refused))

    # By name, because several parameters may be read from files, whose columns are named once.
    own = {shown.name: shown for each in known for shown in _typed(each, helps(operation))}
    common = [
        _option("as_json", bool, False, "Print a JSON object a line.", "--json"),
        _option("out", str, "", f"Write a file instead, a row an answer: {', '.join(suffixes)}."),
        *([REFUSED] if Refused in answers_of(operation) else []),
        _option("overwrite", bool, False, "Replace files that are there.", "--overwrite"),
    ]
    run_operation.__doc__ = (inspect.getdoc(operation) or "").partition("\n\n")[0]
    run_operation.__signature__ = inspect.Signature([_parameter("run", RUN), *own.values(), *common])  # type: ignore[attr-defined]
    run_operation.__annotations__ = {}
    return run_operation


def _expected(given: Mapping[str, Any]) -> int | None:
    """Return how many answers there will be at most, if that is known: so many a text where texts are given, or new."""
    texts, each = given.get("texts"), given.get("n") or given.get("steps") or 1
    if texts is None and not given.get("data"):
        return int(each)
    return len(texts) * int(each) if texts else None


def _require_files(as_json: bool, out: str, refused: str, overwrite: bool, suffixes: Sequence[str]) -> None:
    """Refuse files that cannot be written, and options that would do nothing.

    Raises:
        InputError: If any is given.
    """
    if as_json and out:
        raise InputError("--json and --out are given", "name a .jsonl file, or print")
    if overwrite and not (out or refused):
        raise InputError("--overwrite is given and no file", "name one with --out")
    if refused and Path(refused).suffix != ".jsonl":
        raise InputError(f"{refused} is no .jsonl file", "name one")
    if refused and out and os.path.realpath(refused) == os.path.realpath(out):
        raise InputError(f"{out} is given for answers and for refusals", "name two files")
    if out:
        require_writable(Path(out), overwrite, suffixes)
    if refused:
        require_writable(Path(refused), overwrite)


def _read_from(known: Iterable[inspect.Parameter], given: Mapping[str, Any]) -> list[Path]:
    """Return the files that texts or codes are read from."""
    bulk = [each for each in known if each.annotation in (LABELLED, CODES, TEXTS)]
    names = {"data", *(each.name for each in bulk if each.annotation != TEXTS or each.kind is each.KEYWORD_ONLY)}
    values = (given.get(name) or [] for name in names)
    return [Path(file) for value in values for file in (value if isinstance(value, list) else [value])]


def _require_other_files(written: Iterable[str], read: Iterable[Path]) -> None:
    """Refuse to write what is read.

    Raises:
        InputError: If a file is both.
    """
    places = {os.path.realpath(each) for each in read}
    for file in filter(None, written):
        if os.path.realpath(file) in places:
            raise InputError(f"{file} would be written over what is read from it", "name another file")


def _typed(parameter: inspect.Parameter, helps: Mapping[str, str]) -> list[inspect.Parameter]:
    """Return what typer is to read in place of a parameter of an operation."""
    name, annotation, text = parameter.name, parameter.annotation, helps[parameter.name]
    if annotation is Strategy:
        names: Any = Literal[tuple(members(Strategy))]
        text = f"{text} One of {', '.join(members(Strategy))}."
        chosen = _option(name, names, type(parameter.default).__name__, text, metavar="NAME")
        return [chosen, *_of_strategies()]
    if annotation == TEXTS and parameter.kind is parameter.KEYWORD_ONLY:
        return [_option(name, list[str], [], f"{text} A file of them; may be repeated."), COLUMN]
    if annotation == TEXTS:
        return [*_of_texts(parameter, text), COLUMN]
    if annotation == LABELLED:
        return [_files(text), COLUMN, LABEL]
    if annotation == CODES:
        argument = typer.Argument(metavar=name.upper(), help=f"{text} {VECTORS}")
        return [_parameter(name, Annotated[Path, argument])]
    if not is_plain(annotation):
        raise TypeError(f"{name}: {annotation} has no spelling on the command line")
    if parameter.default is inspect.Parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
        argument = typer.Argument(metavar=name.upper(), help=text)
        return [_parameter(name, Annotated[_spelled(annotation), argument])]
    return [_option(name, _spelled(annotation), parameter.default, text)]


def _of_texts(parameter: inspect.Parameter, text: str) -> list[inspect.Parameter]:
    """Files where the parameter is called data, arguments or else files where it is not."""
    if parameter.name != "data":
        argument = typer.Argument(metavar="TEXT", help=text, show_default=False)
        files = _option("data", list[str], [], "A file of such texts instead; may be repeated.")
        return [_parameter(parameter.name, Annotated[list[str], argument], default=[]), files]
    return [_files(text)]


def _files(text: str) -> inspect.Parameter:
    return _parameter("data", Annotated[list[str], typer.Argument(metavar="DATA", help=f"{text} {FILES}")])


def _of_strategies() -> list[inspect.Parameter]:
    """An option for each setting that any strategy has; its help says which have it, and what it is there."""
    owners: dict[str, list[type]] = {}
    for kind in members(Strategy).values():
        for name in settings_of(kind):
            owners.setdefault(name, []).append(kind)
    control = [_of_strategy(name, {"all": RepetitionControl}) for name in CONTROLS]
    return [_of_strategy(name, {kind.__name__: kind for kind in kinds}) for name, kinds in owners.items()] + control


def _of_strategy(name: str, having: Mapping[str, type]) -> inspect.Parameter:
    """An option for a setting that strategies have; without a value they keep their own."""
    kinds = list(having.values())
    whose = ", ".join(f"{whose} (default {settings_of(kind)[name].default})" for whose, kind in having.items())
    text = f"Of {whose}: {helps(kinds[0])[name]}"
    return _option(name, _spelled(settings_of(kinds[0])[name].annotation), NOT_GIVEN, text)


def _value(parameter: inspect.Parameter, given: Mapping[str, Any], lines: Lines) -> object:
    """Return an argument of an operation from what was given on the command line."""
    value = given[parameter.name]
    if parameter.annotation is Strategy:
        names = {name for kind in members(Strategy).values() for name in settings_of(kind)} | {*CONTROLS}
        return strategy_of(value, {name: given[name] for name in names if given[name] is not NOT_GIVEN})
    if parameter.annotation == TEXTS and (parameter.name == "data" or parameter.kind is parameter.KEYWORD_ONLY):
        return lines.texts(value) if value else parameter.default
    if parameter.annotation == TEXTS:
        return _texts(value, given["data"], lines)
    if parameter.annotation == LABELLED:
        return lines.labelled(value)
    return vectors(value) if parameter.annotation == CODES else value


def _texts(given: list[str], files: list[str], lines: Lines) -> Iterable[str]:
    """Return the texts given as arguments, or the lines of files.

    Raises:
        InputError: If there are none, or both, or a file in place of a text.
    """
    if given and files:
        raise InputError("texts and --data are given", "give either")
    if not given and not files:
        raise InputError("there is no text", "give some, or a file of them with --data")
    if there := [text for text in given if Path(text).suffix and len(text) < LONGEST_NAME and Path(text).is_file()]:
        raise InputError(f"{there[0]} is a file", "give it with --data to have its lines read")
    return given or lines.texts(files)


def _option(
    name: str, kind: object, default: object, text: str, *spellings: str, metavar: str | None = None
) -> inspect.Parameter:
    """Describe an option to typer; one of a single letter has a single dash.

    A name that is a word of the language ends with an underscore, which the option leaves out.
    """
    spelled = spellings or (f"-{name}" if len(name) == 1 else f"--{name.rstrip('_').replace('_', '-')}",)
    shown = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    panel = "Strategy" if default is NOT_GIVEN else None
    option = typer.Option(
        *spelled, help=text.replace("``", ""), show_default=shown, rich_help_panel=panel, metavar=metavar
    )
    return _parameter(name, Annotated[kind, option], default=default)


def _parameter(name: str, annotation: object, **default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, **default)


def _spelled(annotation: Any) -> object:  # noqa: ANN401 - any plain annotation
    """Return the type that typer reads a plain value as, choices among them; the operation checks its range."""
    if hasattr(annotation, "__metadata__"):
        return _spelled(annotation.__origin__)
    if get_origin(annotation) is Sequence:
        return list[str]
    return annotation if isinstance(annotation, type) or get_origin(annotation) is Literal else str


RUN = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, or one that `latentia export` wrote.")]
VECTORS = "A .npy file, or a .parquet file with a column `code`, as `latentia encode` writes them."
FILES = "Files of any format that training reads, or hf:NAME."
COLUMN = _option("text_column", str, "", "Column of the files that holds the text; the run's own without it.", "--text")
LABEL = _option("label_column", str, "", "Column that holds the label; the run's own without it.", "--label")
REFUSED = _option("refused", str, "", "Write refusals to this file, .jsonl, with line, problem and remedy.")
