"""What the README and the guide show, works: Python is run, and command lines are checked against the program.

A page's ```python blocks run in order in one namespace, in an empty folder in which every `runs/NAME` that the page
mentions is a small trained run. A block that should not run is not Python: write it as ```text or ```pycon.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
]
FENCE = re.compile(r"^```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
SENTENCES = ["the cat sat on the mat", "a dog saw the cat", "the mat was red", "a cat sat", "the dog ran", "dogs run"]


class Block(NamedTuple):
    language: str
    code: str
    line: int
    """Lines of the page before the code."""


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [Block(m["language"], m["code"], text.count("\n", 0, m.start("code"))) for m in FENCE.finditer(text)]


def pages_with(*languages: str) -> list[object]:
    shown = [page for page in PAGES if any(block.language in languages for block in blocks(page))]
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in shown]


def latentia(*arguments: str, folder: Path) -> str:
    """Run the program and return what it prints, without colours or wrapping."""
    environment = {**os.environ, "COLUMNS": "200", "TERMINAL_WIDTH": "200", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "latentia", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documentation")
    (folder / "texts.txt").write_text("\n".join(SENTENCES * 4) + "\n")
    sizes = ["--set", "training.max_steps=2", "--set", "model.latent_dim=4"]
    latentia("train", "texts.txt", "--out", "runs/tiny", *sizes, folder=folder)
    return folder / "runs" / "tiny"


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_runs(page: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    shown = [block for block in blocks(page) if block.language == "python"]
    (tmp_path / "runs").mkdir()
    for name in {name for block in shown for name in re.findall(r"runs/([\w.-]+)", block.code)}:
        (tmp_path / "runs" / name).symlink_to(tiny_run)
    namespace: dict[str, object] = {"__name__": "__documentation__"}
    for block in shown:
        exec(compile("\n" * block.line + block.code, str(page), "exec"), namespace)


def command_lines(page: Path) -> list[list[str]]:
    """Arguments of each `latentia` command that a page shows."""
    lines: list[str] = []
    for block in blocks(page):
        joined = block.code.replace("\\\n", " ").splitlines()
        if block.language == "console":
            lines += [line[2:] for line in joined if line.startswith("$ ")]
        elif block.language in {"sh", "bash", "shell"}:
            lines += joined
    words = [shlex.split(line, comments=True) for line in lines]
    return [arguments[1:] for arguments in words if arguments[:1] == ["latentia"]]


@cache
def help_of(command: str | None) -> str:
    return latentia(*([command] if command else []), "--help", folder=ROOT)


def options(arguments: list[str]) -> set[str]:
    """Option names among arguments, up to a pipe or a redirection."""
    end = next((i for i, word in enumerate(arguments) if word in {"|", ">", "&&", ";"}), len(arguments))
    return {word.partition("=")[0] for word in arguments[:end] if re.fullmatch(r"-\w|--\w.*", word)}


@pytest.mark.parametrize("page", pages_with("console", "sh", "bash", "shell"))
def test_commands_and_options_exist(page: Path):
    for arguments in command_lines(page):
        command = arguments[0] if arguments and not arguments[0].startswith("-") else None
        offered = set(re.findall(r"(?<![\w-])--?\w[\w-]*", help_of(command)))
        assert options(arguments) <= offered, f"latentia {command}: {options(arguments) - offered}"
