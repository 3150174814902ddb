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
from tests.chaos.endurance import miscounted
from tests.chaos.faults import CUTS, KINDS, Disk, Fault
from tests.chaos.report import Tally
from tests.chaos.watching import Sitting, misread
from tests.platforms import needs_linux

ROOT = Path(__file__).resolve().parents[2]

# A process of its own: it forks, which a process with threads must not.
PARTS = {
    "runs": "saving,kills,positions,endurance,leaks,numbers,leaps,source,terminals,bombs,signals,native,hostile,"
    "clock,mapped",
    "files": "damage,sharing,corpora,headers,defects,full,memory,rotation",
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


ROWS = {1: (0, [0, 2]), 2: (0, [1]), 3: (1, [2, 1]), 4: (1, [0])}


@pytest.mark.parametrize(
    ("sittings", "wrong"),
    [
        ([Sitting(ROWS)], ""),
        ([Sitting({1: ROWS[1]}), Sitting({1: ROWS[1], 2: ROWS[2]}, saved=[2]), Sitting({3: ROWS[3], 4: ROWS[4]})], ""),
        ([Sitting({1: ROWS[1]}), Sitting({1: ROWS[2]})], "step 1 was done over with other rows"),
        ([Sitting({1: ROWS[1]}, saving=1), Sitting({2: ROWS[2]}, saved=[2]), Sitting({3: ROWS[3], 4: ROWS[4]})], ""),
        ([Sitting({1: ROWS[1]}, saving=1), Sitting(ROWS)], ""),
        ([Sitting({1: ROWS[1]}, saving=1), Sitting({}), Sitting({2: ROWS[2], 3: ROWS[3], 4: ROWS[4]})], ""),
        ([Sitting({1: ROWS[1]}, saving=1), Sitting({3: ROWS[3]})], "after step 0 was saved"),
        ([Sitting({1: ROWS[1]}, saved=[1]), Sitting(ROWS)], "after step 1 was saved"),
        ([Sitting({1: ROWS[1]}), Sitting({2: ROWS[2]})], "after step 0 was saved"),
        ([Sitting({**ROWS, 4: (1, [2])})], "epoch 1: 1 rows twice, 1 never"),
        ([Sitting({1: ROWS[1]})], "epoch 0: 0 rows twice, 1 never"),
        ([Sitting({**ROWS, 5: (2, [0, 1, 2])})], "other epochs"),
    ],
)
def test_a_row_that_is_not_once_in_each_epoch_is_seen(sittings, wrong):
    found = misread(sittings, [0, 1, 2], 2)
    assert found.startswith(wrong)
    assert bool(found) == bool(wrong)


TOLD = [{"split": "train", "step": 50, "kl": 1.0}, {"split": "validation", "step": 57, "kl": 2.0}]


@pytest.mark.parametrize(
    ("found", "begun", "wrong"),
    [
        (TOLD, [1], ""),
        ([{**TOLD[0], "kl": 1.5}, TOLD[1]], [1, 43], ""),
        ([{**TOLD[0], "kl": 1.5}, TOLD[1]], [1, 51], "the train record of step 50 is another"),
        ([TOLD[0], {**TOLD[1], "kl": 1.5}], [1, 56], "the validation record of step 57 is another"),
        ([TOLD[0], *TOLD], [1, 43], "3 records and not 2"),
        (TOLD[1:], [1, 43], "1 records and not 2"),
    ],
)
def test_a_record_that_is_not_there_once_is_seen(found, begun, wrong):
    said = miscounted(found, TOLD, begun)
    assert said.startswith(wrong)
    assert bool(said) == bool(wrong)


@needs_linux
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
