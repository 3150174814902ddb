"""What texts and names hold is shown on a terminal: it is never obeyed by it."""

from __future__ import annotations

import os
import pty
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from latentia.cli import main
from latentia.data import Columns
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.runs import start_run
from tests.chaos.report import Tally
from tests.chaos.training import QUIET, SMALL

WORD = "\x1b]0;owned\x1b[2J\x9b31mend"
OBEYED = (b"\x1b]0;owned", b"\x1b[2J", "\x9b".encode())
"""What sets a title, wipes the screen and begins a colour."""

ESCAPED = (rb"\x1b]0;owned", rb"\u001b]0;owned")
PATIENCE = 60

COMMANDS: dict[str, tuple[str, ...]] = {
    "samples": ("sample", "run", "-n", "40"),
    "samples as JSON": ("sample", "run", "-n", "40", "--json"),
    "texts of a file": ("outliers", "run", "texts.tsv"),
    "neighbours": ("neighbours", "run", f"a {WORD}", "--data", "texts.tsv"),
    "clusters": ("cluster", "run", "texts.tsv", "-k", "2"),
    "a file that is not there": ("train", f"{WORD}.txt"),
    "a file of an unknown format": ("train", f"{WORD}.exe"),
    "a setting that is none": ("train", "texts.tsv", "--text", "text", "--set", f"model.{WORD}=1"),
    "a column that is none": ("train", "texts.tsv", "--text", WORD),
    "a run that is none": ("sample", f"{WORD}"),
    "an option that is none": ("sample", "run", f"--{WORD}"),
}
"""What is asked for, at a terminal."""


def tally(home: Path, every: int = 1) -> Iterator[Tally]:
    """Train on texts of control characters, and ask for all that shows some of them."""
    counts = Tally("a text that a terminal would obey", len(COMMANDS) // every)
    prepared(home)
    for what, words in islice(COMMANDS.items(), 0, None, every):
        wrong, fired = shown(home, words)
        counts.add(wrong and f"{what}: {wrong}", fired=fired)
    yield counts


def prepared(home: Path) -> None:
    """Train a run whose vocabulary has such a word."""
    rows = "".join(f"a {WORD} {'c ' * (n % 3)}d{n % 5}\t{WORD}{n % 2}\n" for n in range(40))
    (home / "texts.tsv").write_text(f"text\tlabel\n{rows}")
    sources = Sources([str(home / "texts.tsv")], [], Columns("text", "label"))
    start_run(sources, load_recipe("default").with_settings(SMALL), home / "run", 1, QUIET)


def shown(home: Path, words: tuple[str, ...]) -> tuple[str, bool]:
    """Give a command at a terminal; say what it would have obeyed, and whether the word came there at all."""
    said = at_terminal(lambda: _command(home, words))
    obeyed = [each for each in OBEYED if each in said]
    return f"{obeyed[0]!r} was sent" if obeyed else "", any(each in said for each in (*ESCAPED, *obeyed))


def at_terminal(work: Callable[[], object]) -> bytes:
    """Do something in a child whose output is a terminal; return all that it sent there."""
    sys.stdout.flush()
    child, terminal = pty.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        try:
            work()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
    said = b""
    while piece := _read(terminal):
        said += piece
    os.close(terminal)
    os.waitpid(child, 0)
    return said


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # what Linux says at the end of a terminal
        return b""


def _command(home: Path, words: tuple[str, ...]) -> None:
    os.chdir(home)
    os.environ.update(TERM="xterm", COLUMNS="1000")
    sys.argv = ["latentia", *words]
    main()
