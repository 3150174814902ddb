"""The tests that the page on reliability names are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUGS = 22


def test_every_known_bug_has_a_test_that_is_there():
    page = (ROOT / "docs" / "reliability.md").read_text()
    rows = re.findall(r"^\|.*\|$", page[page.index("### Known bugs of others") :], re.MULTILINE)[2:]
    assert len(rows) == BUGS
    for row in rows:
        named = re.findall(r"`(\w+/test_\w+)::(test_\w+)`", row)
        assert named or "does not apply" in row
        for module, name in named:
            assert f"\ndef {name}(" in (ROOT / "tests" / f"{module}.py").read_text(), row
