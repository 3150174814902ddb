"""The package as a whole: what importing it costs, and that its drawings and lists agree with each other."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import latentia

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HEAVY = {"accelerate", "datasets", "fastapi", "matplotlib", "pandas", "tensorboard", "transformers"}


def loaded_by(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after running some code."""
    script = f"{code}\nimport sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("code", ["import latentia", "import latentia.cli"])
def test_the_front_doors_do_not_load_torch(code):
    assert loaded_by(code) & (HEAVY | {"torch", "numpy", "pyarrow"}) == set()


def test_help_does_not_load_torch():
    code = (
        "import sys, latentia.cli\nsys.argv = ['latentia', '--help']\ntry: latentia.cli.main()\nexcept SystemExit: pass"
    )
    assert loaded_by(code) & (HEAVY | {"torch"}) == set()


def test_loading_a_space_needs_nothing_heavier_than_torch():
    loaded = loaded_by("import latentia; latentia.load; latentia.TextSpace")
    assert "torch" in loaded
    assert loaded & HEAVY == set()


def test_public_names_are_there_and_others_are_not():
    assert {"TextSpace", "load", "__version__"} <= set(dir(latentia))
    assert callable(latentia.load)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        latentia.nonsense  # noqa: B018


def test_the_installed_version_is_the_source_version():
    assert version("latentia") == latentia.__version__
    assert f"version: {latentia.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def requirements() -> list[Requirement]:
    """Everything that pyproject.toml asks for, for use or for development."""
    project = PYPROJECT["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *PYPROJECT["dependency-groups"].values(),
    ]
    return [Requirement(entry) for entries in lists for entry in entries if isinstance(entry, str)]


def test_every_requirement_is_pinned_within_its_range():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    pins = {canonicalize_name(name): pin for name, pin in pins.items()}
    unmet = [
        str(need) for need in requirements() if not need.specifier.contains(pins.get(canonicalize_name(need.name), "0"))
    ]
    assert not unmet


def test_pins_name_no_index_and_no_build():
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"[/+@]|--", text)


def layers_of_the_contract() -> list[set[str]]:
    (contract,) = (c for c in PYPROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    return [{room.strip(" ()") for room in layer.split("|")} for layer in contract["layers"]]


def test_the_architecture_draws_the_layers_that_are_enforced():
    text = (ROOT / "docs" / "architecture.md").read_text()
    drawing = re.search(r"```text\n(cli\n.*?)```", text, re.DOTALL)
    assert drawing is not None
    drawn = [{room.strip() for room in line.split("|")} for line in drawing[1].splitlines()]
    there = {path.stem for path in (ROOT / "src" / "latentia").iterdir()}
    assert drawn == [layer & there for layer in layers_of_the_contract() if layer & there]


def test_the_architecture_names_every_room():
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [
        path
        for path in (ROOT / "src" / "latentia").iterdir()
        if not path.name.startswith("_") and path.suffix != ".typed"
    ]
    missing = [room.name for room in rooms if f"  {room.name}{'/' if room.is_dir() else ''} " not in text]
    assert not missing
