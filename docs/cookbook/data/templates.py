"""Texts from templates, and whether a text is one of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random

SLOT = re.compile(r"\{(\w+)\}")


class Templates:
    """Options by name; a ``{name}`` in an option stands for any option of that name.

    Args:
        options: What may stand in each slot; texts begin at ``text``.
    """

    def __init__(self, options: Mapping[str, Sequence[str]]) -> None:
        self.options = options

    def draw(self, random: Random, start: str = "text") -> str:
        """Return a text, every choice with equal odds."""
        return SLOT.sub(lambda slot: self.draw(random, slot[1]), random.choice(self.options[start]))

    def allows(self, text: str) -> bool:
        """Whether the templates can make a text."""
        return self._pattern.fullmatch(text) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self._expression("text"))

    def _expression(self, start: str) -> str:
        return f"(?:{'|'.join(map(self._expanded, self.options[start]))})"

    def _expanded(self, option: str) -> str:
        pieces = SLOT.split(option)  # literal text and slots by turns
        return "".join(self._expression(piece) if i % 2 else re.escape(piece) for i, piece in enumerate(pieces))


def different(templates: Templates, number: int, random: Random) -> list[str]:
    """Draw texts until so many different ones are there."""
    found: dict[str, None] = {}
    while len(found) < number:
        found[templates.draw(random)] = None
    return list(found)


def write(folder: Path, name: str, lines: Iterable[str]) -> None:
    """Write a file of a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read(path: Path) -> list[str]:
    """Return the lines of a file."""
    return path.read_text(encoding="utf-8").splitlines()
