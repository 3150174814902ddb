"""A short walk through every class of faults; ``make chaos`` has the long one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.chaos import corpora
from tests.chaos.__main__ import main
from tests.chaos.faults import CUTS, KINDS, Disk, Fault
from tests.chaos.report import Tally

ROOT = Path(__file__).resolve().parents[2]

# A process of its own: it forks, which a process with threads must not.
PARTS = {
    "runs": "saving,kills,numbers,signals,native,hostile,clock,mapped",
    "files": "damage,sharing,corpora,defects,full,memory,rotation",
}


def test_a_fault_that_does_not_fire_fails_its_class():
    counts = Tally("faults", 1)
    counts.add("", fired=True)
    assert counts.good
    counts.add("", fired=False)
    assert (counts.injected, counts.fired, counts.survived) == (2, 1, 1)
    assert not counts.good


def test_too_few_faults_fail_their_class():
    counts = Tally("faults", 2)
    counts.add("", fired=True)
    assert not counts.good
    counts.add("", fired=True)
    assert counts.good


def test_no_fault_at_all_fails_its_class():
    assert not Tally("faults", 0).good


def test_a_search_that_stops_early_fails_its_class(tmp_path, monkeypatch):
    monkeypatch.setattr(corpora, "FLIPS", st.none())
    counts = corpora.stepped(tmp_path, 30, 1, st.just((b"a b\nc\n", "txt")))
    assert counts.fired == counts.injected < counts.least == 30
    assert not counts.failures
    assert not counts.good


def test_a_class_that_is_not_there_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["chaos", "--only", "kill"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "kill" in capsys.readouterr().err


@pytest.mark.parametrize("fault", [Fault(kind, at) for kind in KINDS for at in (1, 10**6)], ids=str)
def test_a_fault_is_told_only_where_it_happened(tmp_path, fault):
    disk, folder = Disk(tmp_path, fault), tmp_path / "made"
    with disk.installed(), suppress(OSError):
        os.mkdir(folder)
    happened = fault.happened(disk.fired, disk.dead)
    assert happened == (fault.at == 1 or fault.kind in CUTS)
    assert folder.exists() != happened or fault.kind in ("killed after", "power cut")


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
