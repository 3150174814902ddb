"""English prose without a download: the documentation that the running Python carries in its standard library."""

from __future__ import annotations

import ast
import inspect
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from random import Random

from latentia.errors import DataError

STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))
SHARES = {"train": 0.9, "valid": 0.05, "test": 0.05}
FEWEST_WORDS, MOST_WORDS = 3, 40

_SKIPPED = frozenset({"site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test", "encodings"})
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_TYPOGRAPHIC = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})
_UNDERLINE = re.compile(r"\s*([-=*~^#+_.])\1{2,}\s*")
_DOCTEST = re.compile(r"\s*(>>>|\.\.\.)(\s|$)")
_BULLET = re.compile(r"^([*+-]|\d+[.)])\s+")
_MARKUP = re.compile(r":[a-z:]+:`~?([^`<>]+)`|``?([^`]+)``?|\*\*?([^*\s][^*]*)\*\*?")
_QUOTED = re.compile(r"""(?<!\w)"([^"]*)"(?!\w)""")
_END = re.compile(r"(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\betc\.)(?<!\bcf\.)(?<!\bvs\.)\s+(?=[A-Z])")
_WORD = re.compile(r"e\.g\.|i\.e\.|[A-Za-z]+(?:[-'/][A-Za-z]+)*")
_TOKEN = re.compile(rf"{_WORD.pattern}|\d+(?:\.\d+)*|[.,;:!?()'-]")
_DOTTED = re.compile(r"(\w|(?<!\S))[.:]+\w")
_COMMON = re.compile(
    r"(?i)\b(an?|and|are|as|at|be|by|for|from|has|have|if|in|is|its?|not|of|on|or|that|the|this|to|was|when|which|will|with)\b"
)


def prose(root: Path = STANDARD_LIBRARY) -> list[str]:
    """Collect the sentences of the standard library's documentation, each once, in the order of their files.

    The sources are parsed, never imported. Code, doctests, tables, headings and lists of parameters are left
    out; what stays is in lower case with spaces around punctuation. Another version of Python has other text.

    Args:
        root: Folder of the sources, searched with the folders in it.

    Raises:
        DataError: If there are no sources with prose, as in a Python that was installed without them.
    """
    found = dict.fromkeys(sentence for path in _sources(root) for text in _texts(path) for sentence in sentences(text))
    if not found:
        raise DataError(
            f"{root} has no sources with documentation", "use a full installation of Python, or the corpus grammar"
        )
    return list(found)


def write_pydoc(folder: Path, seed: int = 0, root: Path = STANDARD_LIBRARY) -> dict[str, Path]:
    """Write the sentences to ``train.txt``, ``valid.txt`` and ``test.txt``, shuffled; no sentence is in two of them.

    Args:
        folder: Where to write; it is made if need be.
        seed: The same seed and the same Python give the same files.
        root: Folder of the sources.

    Returns:
        The path of each file by its name.
    """
    lines = prose(root)
    Random(seed).shuffle(lines)
    folder.mkdir(parents=True, exist_ok=True)
    paths, start, share = {}, 0, 0.0
    for name, part in SHARES.items():
        share += part
        end = round(share * len(lines))
        paths[name] = folder / f"{name}.txt"
        paths[name].write_text("".join(f"{line}\n" for line in lines[start:end]), encoding="utf-8", newline="\n")
        start = end
    return paths


def sentences(documentation: str) -> Iterator[str]:
    r"""Yield the sentences of prose in a docstring.

    >>> list(sentences("Return the value of *key*.\n\n>>> get(1)\n2\n\nIt's e.g. an int, never None."))
    ['return the value of key .', "it's e.g. an int , never none ."]
    """
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(documentation.translate(_TYPOGRAPHIC))):
        text = _flat(paragraph.strip("\n"))
        if text:
            yield from filter(None, map(_normal, _END.split(text)))


def _sources(root: Path) -> Iterator[Path]:
    """Yield the files of the standard library itself, in a fixed order."""
    for path in sorted(root.rglob("*.py")):
        if _SKIPPED.isdisjoint(path.relative_to(root).parts):
            yield path


def _texts(path: Path) -> Iterator[str]:
    """Yield the docstrings of a file, and its tables of texts: the language reference is one."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        # Some files are templates or broken on purpose.
        return
    if path.parent.name == "pydoc_data":
        yield from _tabled(tree)
    yield from _docstrings(tree)


def _docstrings(node: ast.AST) -> Iterator[str]:
    """Yield the docstrings of a module and of what it defines; expressions define nothing, so none is visited."""
    if isinstance(node, _DOCUMENTED):
        yield ast.get_docstring(node, clean=False) or ""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield from _docstrings(child)


def _tabled(tree: ast.Module) -> Iterator[str]:
    """Yield the texts of dictionaries that a module assigns."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            for value in statement.value.values:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value


def _flat(paragraph: str) -> str:
    """Join the lines of a paragraph; empty when it is code, a table, a heading or a list of parameters."""
    lines = paragraph.splitlines()
    if not lines or any(_UNDERLINE.fullmatch(line) or _DOCTEST.match(line) for line in lines):
        return ""
    first = _BULLET.sub("", lines[0].lstrip(), count=1)
    body = [first, *(line.strip() for line in lines[1:])]
    indents = {len(line) - len(line.lstrip()) for line in lines[1:]}
    # Lines of prose share one indentation; four spaces or more under a bare first line is code.
    if len(indents) > 1 or lines[0].startswith(" " * 4) or any(_BULLET.match(line) for line in body[1:]):
        return ""
    return " ".join(" ".join(body).split())


def _normal(sentence: str) -> str:
    """Put a sentence into lower case with spaces around punctuation; empty when it is no prose."""
    plain = _QUOTED.sub(r"\1", _MARKUP.sub(lambda match: match.group(match.lastindex or 0), sentence)).replace("()", "")
    tokens = _TOKEN.findall(plain)
    words = [token for token in tokens if _WORD.fullmatch(token)]
    whole = "".join(tokens) == "".join(plain.split())
    if not (whole and plain[:1].isupper() and plain[-1:] in ".!?" and _reads(plain, tokens, words)):
        return ""
    return " ".join(tokens).lower()


def _reads(plain: str, tokens: list[str], words: list[str]) -> bool:
    """Tell whether tokens read like a sentence: of fair length, mostly words, some of them common, no dotted names."""
    return (
        FEWEST_WORDS <= len(words) <= MOST_WORDS
        and len(words) >= 0.7 * len(tokens)
        and _COMMON.search(plain) is not None
        and plain.count("(") == plain.count(")")
        and _DOTTED.search(plain.replace("i.e.", "").replace("e.g.", "")) is None
    )
