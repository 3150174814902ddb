"""Run every command of the cookbook's pages in order, and compare what is printed with what the pages show.

usage: python scripts/cookbook.py [--write] [PAGE ...]

Each page runs at the root of a folder of its own in which `docs` is that of this checkout; two pages run at a time,
each on one thread. The lines after a command in a ```console block are its output. With --write they are replaced,
without it pages that differ are shown and the exit code is 1.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "cookbook"
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROMPT = "$ "
COLUMNS = "118"


class Done(NamedTuple):
    """A page, its text with what its commands printed, how long that took, and what command failed."""

    page: Path
    text: str
    seconds: float
    failure: str = ""


class CommandError(Exception):
    """A command of a page failed."""


def main() -> int:
    """Run the pages; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="names without .md; all of them if none is given")
    parser.add_argument("--write", action="store_true", help="put what was printed into the pages")
    arguments = parser.parse_args()
    pages = [FOLDER / f"{name}.md" for name in arguments.pages] or sorted(FOLDER.glob("*.md"))
    with ThreadPoolExecutor(2) as threads:
        wrong = [settle(done, write=arguments.write) for done in threads.map(run_page, pages)]
    return int(any(wrong))


def run_page(page: Path) -> Done:
    """Run the commands of a page in an empty folder, and return the page with what they print."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "docs").symlink_to(ROOT / "docs")
        try:
            text = CONSOLE.sub(lambda block: f"```console\n{rerun(block[1], Path(folder))}```", page.read_text())
        except CommandError as error:
            return Done(page, page.read_text(), time.monotonic() - begun, str(error))
    return Done(page, text, time.monotonic() - begun)


def settle(done: Done, *, write: bool) -> bool:
    """Write a page, or show what is different; return whether the page is not as it should be now."""
    if done.failure:
        print(f"{done.page.name}: failed at {done.failure}", flush=True)
        return True
    shown = done.page.read_text()
    changed = done.text != shown
    print(f"{done.page.name}: {done.seconds:.0f} s, {'changed' if changed else 'as shown'}", flush=True)
    if changed and write:
        done.page.write_text(done.text)
        return False
    if changed:
        print(
            *difflib.unified_diff(shown.splitlines(), done.text.splitlines(), "shown", "printed", "", "", 0), sep="\n"
        )
    return changed


def rerun(block: str, folder: Path) -> str:
    """Run the commands of a block, and return it with what they print."""
    return "".join(f"{PROMPT}{command}\n{output(command, folder)}" for command in commands(block))


def commands(block: str) -> list[str]:
    """Return the commands of a block, each with the lines that a backslash continues it on."""
    found: list[str] = []
    continued = False
    for line in block.splitlines():
        if continued:
            found[-1] += f"\n{line}"
        elif line.startswith(PROMPT):
            found.append(line.removeprefix(PROMPT))
        continued = (continued or line.startswith(PROMPT)) and line.endswith("\\")
    return found


def output(command: str, folder: Path) -> str:
    """Run one command and return what it prints, without the spaces at the ends of lines.

    Raises:
        CommandError: If it fails, other than by the verdict of `latentia diagnose`.
    """
    binaries = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": COLUMNS,
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    diagnosed = done.returncode == 3 and command.startswith("latentia diagnose")
    if done.returncode and not diagnosed:
        raise CommandError(f"{command}\n{done.stdout}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


if __name__ == "__main__":
    sys.exit(main())
