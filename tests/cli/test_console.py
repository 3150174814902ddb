"""What texts hold is shown on a terminal, not obeyed by it; into a pipe it goes as it is."""

from __future__ import annotations

import io

import pytest
from rich.segment import Segment, Segments
from rich.table import Table

from latentia.cli.console import Terminal

HOSTILE = "a\x1b]0;owned\x07 \x9b2J\x1b[31m \x7f\rb"
SHOWN = r"a\x1b]0;owned\x07 \x9b2J\x1b[31m \x7f\x0db"


def table(text: str) -> Table:
    shown = Table(text)
    shown.add_row(text)
    return shown


FORMS = {
    "a line": lambda text: Segments([Segment(text), Segment.line()]),
    "a text": lambda text: text,
    "a table": table,
}


class Screen(io.StringIO):
    """A file that is a terminal."""

    def isatty(self) -> bool:
        return True


def printed(form: str, terminal: bool | None, file: io.StringIO | None = None) -> str:
    out = file or io.StringIO()
    console = Terminal(file=out, force_terminal=terminal, color_system=None, width=500, highlight=False)
    console.print(FORMS[form](HOSTILE), markup=False)
    return out.getvalue()


@pytest.mark.parametrize("form", FORMS)
def test_a_terminal_is_shown_what_it_would_obey(form):
    said = printed(form, terminal=True)
    assert not set("\x1b\x07\x9b\x7f\r") & set(said)
    assert SHOWN.split(r"\x07")[0] in said


def test_a_whole_line_is_there_on_a_terminal():
    assert printed("a line", terminal=True) == SHOWN + "\n"


def test_a_pipe_gets_what_there_is():
    assert printed("a line", terminal=False) == HOSTILE + "\n"


def test_a_terminal_that_the_environment_denies_obeys_all_the_same(monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "0")
    assert printed("a line", terminal=None, file=Screen()) == SHOWN + "\n"


def test_letters_tabs_and_line_ends_are_no_control_characters():
    text = "a\t\u05e9\u05dc \u202b\U0001f469\u200d\U0001f680\n"
    console = Terminal(file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(Segments([Segment(text)]))
    assert console.file.getvalue().rstrip("\n") == text.rstrip("\n")
