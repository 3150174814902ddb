"""A short walk through every class of faults; ``make chaos`` has the long one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A process of its own: it forks, which a process with threads must not.
PARTS = {"runs": "saving,kills,numbers,signals,hostile", "files": "damage,sharing,corpora,defects"}


@pytest.mark.parametrize("part", PARTS)
def test_faults_fire_and_are_survived(part):
    command = [sys.executable, "-m", "tests.chaos", "--json", "--scale", "0.02", "--only", PARTS[part]]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("{"), done.stderr
    found = json.loads(done.stdout)
    assert {name: each["failures"] for name, each in found["tallies"].items() if not each["good"]} == {}
    assert [name for name, seen in found["defects"].items() if not seen] == []
    assert done.returncode == 0
