"""The cookbook's runner puts what is printed where it belongs, and its generators tell sound texts from others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from scripts.cookbook import FOLDER, CommandError, commands, output, rerun

BLOCK = """\
$ echo one \\
  two
what was printed before
$ for i in 1 2; do echo $i; \\
  done
"""


def test_what_is_printed_takes_the_place_of_what_was(tmp_path):
    assert commands(BLOCK) == ["echo one \\\n  two", "for i in 1 2; do echo $i; \\\n  done"]
    once = rerun(BLOCK, tmp_path)
    assert once == "$ echo one \\\n  two\none two\n$ for i in 1 2; do echo $i; \\\n  done\n1\n2\n"
    assert rerun(once, tmp_path) == once


def test_a_command_that_fails_is_told_with_what_it_said(tmp_path):
    with pytest.raises(CommandError, match="no such thing"):
        output("echo no such thing >&2; exit 1", tmp_path)


def test_every_page_is_in_the_contents():
    contents = (FOLDER / "index.md").read_text().split("{toctree}")[1]
    assert all(f"\n{page.stem}\n" in contents for page in FOLDER.glob("*.md") if page.stem != "index")


@pytest.fixture
def generators(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [str(Path(FOLDER) / "data"), *sys.path])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("CC(=O)Nc1ccc(O)cc1", ""),
        ("N#Cc1ccsc1C", ""),
        ("CC(C", "a ring, a branch or a bond is left open"),
        ("C1CC", "a ring, a branch or a bond is left open"),
        ("CC)C", "a branch is closed that is not open"),
        ("C=", "a ring, a branch or a bond is left open"),
        ("=CC", "a bond or a branch without an atom"),
        ("CF(C)C", "an atom has too many bonds"),
        ("C(C)(C)(C)(C)C", "an atom has too many bonds"),
        ("c1cccc1", "no such ring"),
        ("Cc", "an aromatic atom outside a ring"),
        ("CX", "unknown characters"),
    ],
)
def test_strings_that_are_no_molecules_are_told(generators, text, problem):
    from molecules import problem_of

    assert problem_of(text) == problem


@pytest.mark.parametrize("module", ["replies", "log_lines", "molecules"])
def test_templates_allow_what_they_draw_and_nothing_else(generators, module):
    from importlib import import_module
    from random import Random

    found = import_module(module)
    templates = next(each for each in vars(found).values() if type(each).__name__ == "Templates")
    texts = [templates.draw(Random(seed)) for seed in range(50)]
    assert all(map(templates.allows, texts))
    assert not any(templates.allows(f"{text} {text}") for text in texts)
