"""What no line of the package may do, looked for in its syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import latentia
from tests.chaos.report import Tally

CALLS = {
    *("eval", "exec", "compile", "__import__", "execfile"),
    *("torch.load", "torch.save", "torch.jit.load", "torch.package.PackageImporter", "torch.hub.load"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all"),
    *("os.system", "os.popen", "os.execv", "os.execve", "os.execvp", "os.spawnv", "os.posix_spawn"),
    *("shutil.unpack_archive", "tempfile.mktemp", "importlib.import_module", "importlib.__import__"),
    *("numpy.load", "np.load", "pandas.read_pickle", "joblib.load", "runpy.run_path", "runpy.run_module"),
}
"""Calls by their name, as the module writes it."""

METHODS = {"extractall", "extract", "unpack_archive", "load_module", "exec_module", "spec_from_file_location"}
"""Calls by their last name, of whatever object."""

MODULES = {
    *("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "copyreg"),
    *("subprocess", "pty", "tarfile", "zipfile", "code", "codeop", "imp", "xmlrpc", "telnetlib"),
}
"""Modules that are not imported."""

KEYWORDS = {"shell": True, "trust_remote_code": True, "allow_pickle": True, "weights_only": False}
"""Arguments that no call has; what is no constant is not told from these."""

CONTROLS = {
    "a module": "import pickle",
    "a module under another name": "import pickle as p",
    "a part of a module": "from subprocess import run",
    "a module within one": "import os.path\nimport marshal",
    "a call": "eval('1')",
    "a call by its name": "import torch\ntorch.load('x')",
    "a call that was imported": "from torch import load\nload('x')",
    "a call under another name": "from yaml import unsafe_load as safe_load\nsafe_load('x')",
    "a module's call under another name": "import torch as t\nt.hub.load('x', 'y')",
    "a method": "archive.extractall('x')",
    "an argument": "run('x', shell=True)",
    "an argument that is no constant": "f('x', trust_remote_code=trusted)",
    "an import that follows a file": "import importlib\nimportlib.import_module(name)",
    "an array of objects": "numpy.load('x', allow_pickle=True)",
}
"""Sources in each of which something is to be found."""


ALLOWED = {
    "__init__.py: calls importlib.import_module": "of one of the package's own rooms, by a table in the source",
    "recipes/library/__init__.py: calls yaml.load": "with a SafeLoader that refuses aliases besides",
    "operations/patterns.py: imports subprocess": "to compile an expression, its text on the standard input",
}
"""What stands in the package, and why it may."""


def tally() -> Tally:
    """Look for everything forbidden in the package; what is put in are sources in which it stands."""
    counts = Tally("forbidden lines in a source", len(CONTROLS))
    for what, text in CONTROLS.items():
        found = [*faults_of(text)]
        counts.add("" if found else f"{what} was not seen", fired=bool(ast.parse(text).body))
    files = [*Path(latentia.__file__).parent.rglob("*.py")]
    counts.failures += sorted({*_in_package(files)} ^ ALLOWED.keys())
    counts.note = f"{len(files)} modules have {len(ALLOWED)} exceptions and no other" if counts.good else ""
    return counts


def _in_package(files: list[Path]) -> Iterator[str]:
    root = Path(latentia.__file__).parent
    for path in files:
        yield from (f"{path.relative_to(root)}: {what}" for _, what in faults_of(path.read_text()))


def faults_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a source and what it does there that it may not."""
    tree = ast.parse(text)
    names = _imported(tree)
    for node in ast.walk(tree):
        for what in _of(node, names):
            yield getattr(node, "lineno", 0), what


def _imported(tree: ast.Module) -> dict[str, str]:
    """Return what names stand for: modules, and parts of them."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {each.asname: each.name for each in node.names if each.asname}
        if isinstance(node, ast.ImportFrom):
            names |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    return names


def _of(node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        modules = [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        yield from (f"imports {module}" for module in modules if module.partition(".")[0] in MODULES)
    if isinstance(node, ast.Call):
        called = _spelled(node.func, names)
        if called in CALLS or called.rpartition(".")[2] in METHODS:
            yield f"calls {called}"
        yield from (f"passes {each.arg}" for each in node.keywords if each.arg in KEYWORDS and not _is_safe(each))


def _is_safe(argument: ast.keyword) -> bool:
    value = argument.value
    return isinstance(value, ast.Constant) and value.value is not KEYWORDS[argument.arg or ""]


def _spelled(node: ast.expr, names: dict[str, str]) -> str:
    """Return the dotted name of what is called, its first part as it was imported."""
    if isinstance(node, ast.Attribute):
        return f"{_spelled(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else "?"
