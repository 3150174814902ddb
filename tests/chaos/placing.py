"""How a hostile file is put in the place of another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Attack = Callable[[Path, Path], None]
"""Changes a folder; the second path is where a canary would sing."""


def content(name: str, what: bytes) -> Attack:
    """Put these bytes in the place of a file."""
    return made(name, lambda path: path.write_bytes(what))


def made(name: str, make: Callable[[Path], object]) -> Attack:
    """Make something else in the place of a file, which is removed first."""

    def attack(folder: Path, _: Path) -> None:
        path = place(folder, name)
        path.unlink(missing_ok=True)
        make(path)

    return attack


def place(folder: Path, name: str) -> Path:
    """Return the path of a name, which may be one in the newest checkpoint."""
    newest = max((folder / "checkpoints").glob("step-*"), default=folder)
    return folder / name.replace("checkpoints/newest", str(newest))


def secret_near(path: Path) -> Path:
    """Return the file that nobody may write through a link."""
    return next(parent for parent in path.parents if (parent / "secret").exists()) / "secret"


def link_to_secret(path: Path) -> None:
    """Make a link to it."""
    path.symlink_to(secret_near(path))


def setting(path: tuple[str, ...], value: object) -> Attack:
    """Put a value into the recipe of a folder that was passed on."""

    def attack(folder: Path, _: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        node = config["recipe"]
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value
        (folder / "config.json").write_text(json.dumps(config))

    return attack


def edited(name: str, edit: Callable[[Any], object]) -> Attack:
    """Edit the tree of a JSON file in its place."""

    def attack(folder: Path, _: Path) -> None:
        path = place(folder, name)
        tree = json.loads(path.read_text())
        edit(tree)
        path.write_text(json.dumps(tree))

    return attack
