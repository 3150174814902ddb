"""Install the project with extras and dependency groups, at the pinned versions, leaving torch alone.

    python scripts/install.py [EXTRA...] [--group GROUP...]

pip reads dependency groups only since 25.1, and the pip that a new environment starts with is often
older; so the groups are read from pyproject.toml here. torch is pinned to the build that is installed
(scripts/get-torch.sh put it there): no resolver may swap it for one with gigabytes of CUDA.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Install what the command line names; return pip's exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("extras", nargs="*", help="extras of the package")
    parser.add_argument("--group", action="append", default=[], help="a dependency group of pyproject.toml")
    arguments = parser.parse_args()
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    requirements = [line for group in arguments.group for line in expand(groups, group)]
    extras = f"[{','.join(arguments.extras)}]" if arguments.extras else ""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.write(pins_with_installed_torch())
        pins.flush()
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        return subprocess.call([*pip, "-c", pins.name, "-e", f"{ROOT}{extras}", *requirements])


def expand(groups: dict[str, list[Any]], name: str) -> list[str]:
    """List the requirements of a group and of the groups it includes (PEP 735)."""
    if name not in groups:
        raise SystemExit(f"no dependency group {name!r} in pyproject.toml: there are {', '.join(groups)}")
    lines: list[str] = []
    for entry in groups[name]:
        lines += [entry] if isinstance(entry, str) else expand(groups, entry["include-group"])
    return lines


def pins_with_installed_torch() -> str:
    """Return constraints.txt with the torch line naming the installed build."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    kept = [line for line in lines if not line.startswith("torch==")]
    return "\n".join([*kept, f"torch=={version('torch')}", ""])


if __name__ == "__main__":
    raise SystemExit(main())
