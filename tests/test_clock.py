"""Nothing hangs on the time of day but what tells it, and no file is older than another by its own word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "latentia"
CLOCKS = re.compile(r"\btime\.time(_ns)?\b|datetime\.(now|utcnow|today)|st_[mac]time|getmtime|gmtime|localtime")
MEANT = {"training/board.py": 2}
"""How often each module reads the time of day: an event of TensorBoard has one, and so has the name of its file."""


def test_only_what_tells_the_time_of_day_reads_it():
    files = {path.relative_to(SOURCE).as_posix(): path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")}
    found = {name: len(CLOCKS.findall(text)) for name, text in files.items()}
    assert {name: count for name, count in found.items() if count} == MEANT


@pytest.mark.parametrize("line", ["time.time()", "datetime.now()", "path.stat().st_mtime", "os.path.getmtime(path)"])
def test_such_a_line_would_be_found(line):
    assert CLOCKS.search(line)
