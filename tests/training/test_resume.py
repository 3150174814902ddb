"""A run that was stopped and resumed is the run that was not."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from latentia.data import BPE, Columns, Word
from latentia.durable import entry_of, locked
from latentia.errors import BusyError, DataError, NumericalError, RunError, StorageError
from latentia.objectives import Objective
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.environment import differences
from latentia.recipes.folders import is_vacant
from latentia.recipes.runs import open_run, resume_run, start_run, training_rows, validation_rows
from latentia.records import Batch, ModelRun, Terms
from latentia.training.checkpoint import Checkpoints
from latentia.training.finiteness import Guard
from latentia.training.interruption import interruption
from latentia.training.loop import Trainer
from latentia.training.observers import Metrics
from latentia.training.validation import validate
from tests.platforms import needs_linux
from tests.vouching import revouch

SETTINGS = [
    ("model.encoder.embedding_dim", 8),
    ("model.decoder.embedding_dim", 8),
    ("model.encoder.hidden_dim", 10),
    ("model.decoder.hidden_dim", 10),
    ("model.latent_dim", 3),
    ("model.decoder.dropout.words", 0.3),
    ("training.epochs", 3),
    ("training.batch_size", 8),
    ("training.checkpoint_every", 3),
]
QUIET = Console(quiet=True)
CLOCK = ("tokens_per_second", "seconds")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"a b {'c ' * (n % 4)}d{n % 5} e{n % 7}\n" for n in range(60)))
    return Sources([str(path)], [], Columns())


def train(sources: Sources, folder: Path, *settings: tuple[str, object]) -> bool:
    return start_run(sources, load_recipe("default").with_settings([*SETTINGS, *settings]), folder, 1, QUIET)


def newest(folder: Path) -> Path:
    return max((folder / "checkpoints").glob("step-*"))


def interrupt_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Send the process SIGINT within a step, as Ctrl-C would."""
    original = Trainer._step

    def step_and_interrupt(self: Trainer, *arguments: object) -> None:
        original(self, *arguments)
        if self.progress.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "_step", step_and_interrupt)


def records(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in CLOCK} for line in lines]


@pytest.mark.parametrize("step", [1, 4, 8, 9, 14, 22])  # 8 ends an epoch: its validation must not be lost
def test_resumed_equals_uninterrupted_bit_for_bit(sources, tmp_path, monkeypatch, step):
    assert train(sources, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_after(patch, step)
        assert not train(sources, tmp_path / "stopped")
    assert newest(tmp_path / "stopped").name[:13] == f"step-{step:08d}"
    assert resume_run(tmp_path / "stopped", QUIET)
    whole, resumed = newest(tmp_path / "whole"), newest(tmp_path / "stopped")
    assert whole.name == resumed.name
    for name in ("model.safetensors", "optimizer.safetensors"):
        expected, found = load_file(whole / name), load_file(resumed / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
    best = [load_file(tmp_path / run / "model.safetensors") for run in ("whole", "stopped")]
    assert all(torch.equal(best[0][key], best[1][key]) for key in best[0])
    kept = [[line for line in records(tmp_path / run) if line["split"] == "validation"] for run in ("whole", "stopped")]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("step", [4, 6])  # asked before a save, and during one that comes anyway
def test_a_save_has_the_time_that_it_takes(sources, tmp_path, monkeypatch, step):
    limits, original = [], Checkpoints.save

    def save(self: Checkpoints, *arguments: object) -> None:
        if step == 6 and arguments[-1].step == step and not limits:
            os.kill(os.getpid(), signal.SIGTERM)
        if arguments[-1].step == step:
            limits.append(signal.getitimer(signal.ITIMER_REAL)[0])
        original(self, *arguments)

    monkeypatch.setattr(Checkpoints, "save", save)
    if step == 4:
        interrupt_after(monkeypatch, step)
    assert not train(sources, tmp_path / "run")
    assert limits[0] == 0
    assert newest(tmp_path / "run").name == f"step-{step:08d}"
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_the_step_under_way_has_a_limit_of_time():
    with interruption() as asked, asked.awaited():
        asked.note(signal.SIGTERM, None)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        with asked.unhurried():
            asked.note(signal.SIGALRM, None)
            assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        with pytest.raises(KeyboardInterrupt):
            asked.note(signal.SIGALRM, None)


def test_a_validation_that_was_told_and_not_saved_is_told_once(sources, tmp_path, monkeypatch):
    train(sources, tmp_path / "whole")
    with monkeypatch.context() as interrupted:
        interrupt_after(interrupted, 8)
        train(sources, tmp_path / "run")
    with monkeypatch.context() as killed:
        killed.setattr(Checkpoints, "save", lambda *_: sys.exit("killed"))
        with pytest.raises(SystemExit):
            resume_run(tmp_path / "run", QUIET)
    assert [record["step"] for record in records(tmp_path / "run")] == [8]
    assert resume_run(tmp_path / "run", QUIET)
    assert records(tmp_path / "run") == records(tmp_path / "whole")


def seconds_of_epochs(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line.get("seconds", 0.0) for line in lines if line["split"] == "validation"]


def test_an_epoch_is_timed_without_its_validation_and_over_both_sittings(sources, tmp_path, monkeypatch):
    """Each look at the clock finds it a second later, and a validation takes a million."""
    clock = [0.0]

    def now() -> float:
        clock[0] += 1
        return clock[0]

    def slow(*arguments: object) -> dict[str, float]:
        clock[0] += 1e6
        return validate(*arguments)

    monkeypatch.setattr("latentia.training.loop.time", SimpleNamespace(perf_counter=now))
    monkeypatch.setattr("latentia.training.loop.validate", slow)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 4)
        assert not train(sources, tmp_path / "run")
    counted = json.loads((newest(tmp_path / "run") / "state.json").read_text())["progress"]["seconds"]
    assert resume_run(tmp_path / "run", QUIET)
    first, *others = seconds_of_epochs(tmp_path / "run")
    assert 0 < counted < first < 1000
    assert 0 < min(others) <= max(others) < 1000


def test_a_part_of_an_epoch_is_not_timed(sources, tmp_path):
    assert train(sources, tmp_path / "part", ("training.max_steps", 5))
    assert seconds_of_epochs(tmp_path / "part") == [0.0]


def test_a_forgotten_step_would_be_caught(sources, tmp_path):
    """The comparison above can fail: another seed gives other weights."""
    train(sources, tmp_path / "one")
    start_run(sources, load_recipe("default").with_settings(SETTINGS), tmp_path / "two", 2, QUIET)
    one, two = (load_file(newest(tmp_path / run) / "model.safetensors") for run in ("one", "two"))
    assert not all(torch.equal(one[key], two[key]) for key in one)


def test_an_altered_checkpoint_is_set_aside_and_the_one_before_used(sources, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 7)
        train(sources, tmp_path / "run")
    last = newest(tmp_path / "run")
    content = bytearray((last / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (last / "model.safetensors").write_bytes(bytes(content))
    assert resume_run(tmp_path / "run", QUIET)
    assert list(last.parent.glob(f"{last.name}.corrupt-*"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "run.lock"}


def refusing(call, path: Path):
    """Return a call that the system refuses for a path, and for what is below it."""

    def refuses(place, *arguments: object, **options: object) -> object:
        if Path(place).is_relative_to(path):
            raise PermissionError(errno.EACCES, "no")
        return call(place, *arguments, **options)

    return refuses


@pytest.mark.parametrize("name", ["checkpoints", "model.safetensors"])
def test_what_may_not_be_read_is_neither_lost_nor_damaged(sources, tmp_path, monkeypatch, name):
    train(sources, tmp_path / "run", ("training.max_steps", 4))
    before = contents(tmp_path / "run")
    for call in ("open", "listdir", "scandir"):
        monkeypatch.setattr(os, call, refusing(getattr(os, call), tmp_path / "run" / name))
    with pytest.raises(StorageError, match=rf"{name} cannot be read \(no\): check its permissions"):
        resume_run(tmp_path / "run", QUIET)
    monkeypatch.undo()
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize("name", ["checkpoints/step-00000004", "checkpoints/step-00000003", "model.safetensors"])
def test_what_is_never_given_back_can_be_gone_round(sources, tmp_path, monkeypatch, name):
    train(sources, tmp_path / "whole", ("training.max_steps", 6))
    with monkeypatch.context() as patch:
        interrupt_after(patch, 4)
        train(sources, tmp_path / "run", ("training.max_steps", 6))
    if name.endswith("3"):
        shutil.rmtree(newest(tmp_path / "run"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing(os.open, tmp_path / "run" / name))
        with pytest.raises(StorageError) as raised:
            resume_run(tmp_path / "run", QUIET)
    told = re.search(r"; or rename (.+) to (\S+), and .*(the one before|begins again|of step 4)", raised.value.remedy)
    Path(told[1]).rename(Path(told[1]).with_name(told[2]))
    assert resume_run(tmp_path / "run", QUIET)
    for file in ("model.safetensors", "checkpoints/step-00000006/model.safetensors"):
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_checkpoint_that_the_memory_does_not_take_is_not_set_aside(sources, tmp_path, monkeypatch, error):
    def fails(_: bytes) -> object:
        raise error

    train(sources, tmp_path / "run", ("training.max_steps", 4))
    before = contents(tmp_path / "run")
    monkeypatch.setattr("latentia.training.weights.load", fails)
    with pytest.raises(StorageError, match="the memory does not take it"):
        resume_run(tmp_path / "run", QUIET)
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] . DefaultCPUAllocator: can't allocate memory: you tried to"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of"),
        torch.AcceleratorError("CUDA error: out of memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_full_memory_ends_training_with_what_helps_and_loses_nothing_that_was_saved(
    sources, tmp_path, monkeypatch, error
):
    train(sources, tmp_path / "whole", ("training.max_steps", 8))
    original = Objective.__call__

    def fails(self: Objective, run: ModelRun, step: int) -> Terms:
        if step == 4:
            raise error
        return original(self, run, step)

    with monkeypatch.context() as patch:
        patch.setattr(Objective, "__call__", fails)
        with pytest.raises(StorageError, match=r"memory does not take the training .*--resume.*batch_size") as raised:
            train(sources, tmp_path / "run", ("training.max_steps", 8))
    assert raised.value.exit_code == 74
    assert Checkpoints(tmp_path / "run").newest().step == 3
    assert resume_run(tmp_path / "run", QUIET)
    assert (newest(tmp_path / "run") / "model.safetensors").read_bytes() == (
        newest(tmp_path / "whole") / "model.safetensors"
    ).read_bytes()


def test_what_is_not_of_memory_stays_what_it_is(sources, tmp_path, monkeypatch):
    def fails(*_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(Trainer, "_step", fails)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        train(sources, tmp_path / "run")


def recorded_as(folder: Path, **changes: object) -> None:
    path = folder / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    revouch(folder)


def resumed(folder: Path) -> str:
    said = Console(file=io.StringIO(), width=1000)
    assert resume_run(folder, said)
    return said.file.getvalue()


def test_a_resume_elsewhere_names_what_has_changed(sources, tmp_path):
    train(sources, tmp_path / "run", ("training.max_steps", 2))
    assert "changed" not in resumed(tmp_path / "run")
    now = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert now["processor"]
    packages = {**now["packages"], "torch": "2.8.0", "forgotten": "1"}
    recorded_as(tmp_path / "run", packages=packages, python="3.9.1", threads=64, platform="another kernel")
    told = f"python 3.9.1 -> {now['python']}; threads 64 -> 1; torch 2.8.0 -> {now['packages']['torch']}; it goes on"
    assert resumed(tmp_path / "run").count(f"changed since the run was begun: {told}") == 1
    recorded_as(tmp_path / "run", packages=now["packages"], python=now["python"], threads=1, processor="another")
    assert f"begun: processor another -> {now['processor']}; it goes" in resumed(tmp_path / "run")


@pytest.mark.parametrize("content", ["{", "[]", '{"packages": []}', "[" * 100_000, "{}"])
def test_a_record_of_surroundings_that_says_nothing_is_none(tmp_path, content):
    (tmp_path / "environment.json").write_text(content)
    assert not differences(tmp_path)


def test_a_run_of_a_version_that_recorded_less_is_told_of_what_it_recorded(sources, tmp_path):
    train(sources, tmp_path / "run", ("training.max_steps", 2))
    path = tmp_path / "run" / "environment.json"
    known = json.loads(path.read_text())
    path.write_text(
        json.dumps({name: value for name, value in known.items() if name not in ("processor", "instructions")})
    )
    revouch(tmp_path / "run")
    assert "changed" not in resumed(tmp_path / "run")


def validation_too(sources: Sources, tmp_path: Path) -> Sources:
    held_out = tmp_path / "held out.txt"
    held_out.write_text("a b d1\na c e2\n")
    return replace(sources, valid=[str(held_out)])


@pytest.mark.parametrize("which", ["train", "valid"])
@pytest.mark.parametrize("opened", [lambda folder: resume_run(folder, QUIET), validation_rows])
def test_a_lost_corpus_is_never_replaced_by_other_data(sources, tmp_path, which, opened):
    sources = validation_too(sources, tmp_path)
    train(sources, tmp_path / "run", ("training.epochs", 1))
    (tmp_path / "run" / "data" / f"{which}.arrow").unlink()
    before = contents(tmp_path / "run")
    changed = Path(getattr(sources, which)[0])
    changed.write_text(changed.read_text() + "e1 d2\n")
    with pytest.raises(RunError, match=rf"{which}.arrow is lost, and the data is no longer"):
        opened(tmp_path / "run")
    assert contents(tmp_path / "run") == before


def test_a_lost_corpus_is_built_to_the_same_bytes(sources, tmp_path):
    sources = validation_too(sources, tmp_path)
    train(sources, tmp_path / "run", ("training.epochs", 1))
    before = contents(tmp_path / "run" / "data")
    shutil.rmtree(tmp_path / "run" / "data")
    with locked(tmp_path / "run"), pytest.raises(BusyError):
        training_rows(tmp_path / "run")
    assert not (tmp_path / "run" / "data").exists()
    training_rows(tmp_path / "run")
    assert contents(tmp_path / "run" / "data") == before
    assert not list((tmp_path / "run").glob(".*"))


@pytest.mark.parametrize("name", ["data", "checkpoints", "tensorboard", "diverged"])
def test_nothing_is_written_through_a_link_in_the_place_of_a_folder(sources, tmp_path, name):
    train(sources, tmp_path / "run", ("training.max_steps", 2))
    (tmp_path / "run" / name).mkdir(exist_ok=True)
    (tmp_path / "run" / name).rename(tmp_path / "other")
    (tmp_path / "other" / ".mine.tmp").write_text("mine")
    (tmp_path / "run" / name).symlink_to(tmp_path / "other")
    before = contents(tmp_path / "other")
    for opened in (lambda folder: resume_run(folder, QUIET), open_run):
        with pytest.raises(RunError, match=rf"{name} is a link: nothing is written through it"):
            opened(tmp_path / "run")
    assert contents(tmp_path / "other") == before


def test_what_writes_cut_short_have_left_is_removed_at_the_next_start(sources, tmp_path):
    train(sources, tmp_path / "run", ("training.max_steps", 2))
    for place in (".", "data", "checkpoints", "diverged"):
        (tmp_path / "run" / place).mkdir(exist_ok=True)
        (tmp_path / "run" / place / ".state.json.0123abcd.tmp").write_text("{")
    assert resume_run(tmp_path / "run", QUIET)
    assert not list((tmp_path / "run").rglob(".*"))


def restated(checkpoint: Path, **changes: object) -> None:
    path = checkpoint / "state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, "progress": state["progress"] | changes}))
    revouch(checkpoint)


IMPOSSIBLE = [
    *({name: value} for name in ("step", "epoch", "position") for value in ("1", -1, 1.0, True, None, [], 10**40)),
    *({"seconds": value} for value in ("1", None, -1.0, float("inf"), float("nan"), 10**400)),
    *({"best": value} for value in ("1", None, [], float("nan"))),
    *({"memory": value} for value in ([], None, {"a": "b"}, {"a": None})),
    *({name: value} for name in ("finished", "due") for value in (1, "yes", None)),
    *({name: value} for name in ("best_step", "waited") for value in (-1, 10**9, "1")),
    *({name: 5} for name in ("epoch", "position")),
    {"unknown": 1},
]


def test_a_checkpoint_of_a_place_where_no_run_stands_is_not_whole(sources, tmp_path):
    train(sources, tmp_path / "run", ("training.max_steps", 4))
    checkpoint = newest(tmp_path / "run")
    kept = (checkpoint / "state.json").read_bytes()
    for changes in IMPOSSIBLE:
        (checkpoint / "state.json").write_bytes(kept)
        restated(checkpoint, **changes)
        assert Checkpoints(tmp_path / "run").newest().step < 4, changes
    (checkpoint / "state.json").write_bytes(kept)
    restated(checkpoint)
    assert Checkpoints(tmp_path / "run").newest().step == 4


@pytest.mark.parametrize(
    ("name", "most"),
    [("state.json", 2**22), ("model.safetensors", 2**21 + 2**16), ("optimizer.safetensors", 3 * (2**21 + 2**16))],
)
def test_a_file_of_a_checkpoint_is_not_longer_than_the_run_s_model_can_have(sources, tmp_path, monkeypatch, name, most):
    interrupt_after(monkeypatch, 7)
    train(sources, tmp_path / "run")
    monkeypatch.undo()
    path = newest(tmp_path / "run") / name
    path.write_bytes(path.read_bytes() + b" " * most)
    revouch(path.parent)
    assert re.search(rf"set aside: .*{name} has [\d,]+ bytes, and at most [\d,]+ are read", resumed(tmp_path / "run"))


@pytest.mark.parametrize(
    "change",
    [
        lambda moments: {name: moment.to(torch.float8_e4m3fn) for name, moment in moments.items()},
        lambda moments: {name.replace("exp_avg_sq", "other"): moment for name, moment in moments.items()},
        lambda moments: {"9" * 5000 + name: moment for name, moment in moments.items()},
        lambda moments: {name: moment * float("nan") for name, moment in moments.items()},
    ],
)
def test_moments_that_the_optimiser_cannot_go_on_from_are_refused(sources, tmp_path, monkeypatch, change):
    interrupt_after(monkeypatch, 2)
    train(sources, tmp_path / "run")
    monkeypatch.undo()
    path = newest(tmp_path / "run") / "optimizer.safetensors"
    save_file(change(load_file(path)), path)
    revouch(path.parent)
    with pytest.raises(RunError, match=r"optimizer\.safetensors (does not fit|lacks|is not finite)"):
        resume_run(tmp_path / "run", QUIET)


def test_a_place_behind_the_end_of_its_epoch_is_refused(sources, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 12)
    train(sources, tmp_path / "run")
    monkeypatch.undo()
    restated(newest(tmp_path / "run"), epoch=0, position=12)
    with pytest.raises(RunError, match=r"stands after batch 12 of \d+ of epoch 0"):
        resume_run(tmp_path / "run", QUIET)


@pytest.mark.parametrize("place", [b"\xff.txt", b"\xff/texts.txt"])
@pytest.mark.parametrize("which", ["train", "valid"])
def test_a_name_that_no_record_holds_is_refused_before_anything_is_made(sources, tmp_path, place, which):
    path = tmp_path / os.fsdecode(place)
    path.parent.mkdir(exist_ok=True)
    path.write_text("a b\nb c\n")
    with pytest.raises(DataError, match=r"udcff.*is a name that is not valid UTF-8: rename the file"):
        train(replace(sources, **{which: [str(path)]}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_no_checkpoint_is_an_error_with_a_remedy(sources, tmp_path):
    train(sources, tmp_path / "run", ("training.max_steps", 2))
    for folder in (tmp_path / "run" / "checkpoints").iterdir():
        (folder / "manifest.json").unlink()
    with pytest.raises(RunError, match="no whole checkpoint"):
        resume_run(tmp_path / "run", QUIET)


def test_a_run_that_was_stopped_before_its_first_checkpoint_begins(sources, tmp_path, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", stop)
        with pytest.raises(KeyboardInterrupt):
            train(sources, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert resume_run(tmp_path / "run", QUIET)


def test_a_start_that_was_cut_short_leaves_the_folder_free(sources, tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("run.lock", "tokenizer.json", ".recipe.yaml.0a.tmp"):
        (tmp_path / "run" / name).write_text("")
    assert train(sources, tmp_path / "run", ("training.max_steps", 2))


def test_lost_weights_are_those_of_the_checkpoint_and_it_is_said(sources, tmp_path):
    train(sources, tmp_path / "run", ("training.max_steps", 2))
    (tmp_path / "run" / "model.safetensors").write_bytes(b"")
    said = Console(file=io.StringIO(), width=500)
    assert resume_run(tmp_path / "run", said)
    assert "the weights of step 2 take its place" in said.file.getvalue()
    open_run(tmp_path / "run")


def test_a_run_of_a_version_without_manifests_is_opened_with_a_remark_and_then_has_one(sources, tmp_path):
    train(sources, tmp_path / "run", ("training.max_steps", 2))
    (tmp_path / "run" / "manifest.json").unlink()
    with pytest.raises(RunError, match=r"has lost its manifest.json"), pytest.warns(UserWarning, match="has no"):
        resume_run(tmp_path / "run", QUIET)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**record, "format": 1}))
    state = newest(tmp_path / "run") / "state.json"
    state.write_text(json.dumps({"progress": json.loads(state.read_text())["progress"], "optimizer": []}))
    files = {path.name: vars(entry_of(path.read_bytes())) for path in state.parent.iterdir() if path.stem != "manifest"}
    (state.parent / "manifest.json").write_text(json.dumps(files, indent=1))
    with pytest.warns(UserWarning, match=r"has no manifest.json.*--resume` writes one"):
        open_run(tmp_path / "run")
    with pytest.warns(UserWarning, match=r"has no manifest.json"):
        assert resume_run(tmp_path / "run", QUIET)
    open_run(tmp_path / "run")


def test_a_checkpoint_of_another_run_is_set_aside(sources, tmp_path):
    train(sources, tmp_path / "one", ("training.max_steps", 2))
    train(sources, tmp_path / "two", ("training.max_steps", 4), ("training.optimizer.learning_rate", 0.1))
    last = newest(tmp_path / "two")
    shutil.copytree(last, tmp_path / "one" / "checkpoints" / last.name)
    assert resume_run(tmp_path / "one", QUIET)
    assert newest(tmp_path / "one").name.startswith(f"{last.name}.corrupt")


def test_a_folder_in_use_is_not_overwritten(sources, tmp_path):
    train(sources, tmp_path / "run", ("training.max_steps", 2))
    with pytest.raises(RunError, match="not empty"):
        train(sources, tmp_path / "run")


@pytest.fixture
def no_corpus(monkeypatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the corpus was read")

    monkeypatch.setattr("latentia.recipes.runs.read_texts", read)


@pytest.mark.parametrize("holds", [(), ("recipe.yaml", "manifest.json", "checkpoints")])
def test_a_folder_that_another_process_trains_in_is_refused_before_the_corpus_is_read(
    sources, tmp_path, no_corpus, holds
):
    (tmp_path / "run").mkdir()
    for name in holds:
        (tmp_path / "run" / name).write_text("")
    with locked(tmp_path / "run"):
        before = contents(tmp_path)
        with pytest.raises(BusyError, match=r"in use by another process \d+.*: wait until it has ended"):
            train(sources, tmp_path / "run")
        assert contents(tmp_path) == before


@pytest.mark.parametrize("call", ["makedirs", "open"])
def test_a_folder_that_may_not_be_written_is_refused_before_the_corpus_is_read(
    sources, tmp_path, monkeypatch, no_corpus, call
):
    original = getattr(os, call)

    def refused(path: str | Path, *arguments: object, **named: object) -> int:
        if Path(path).is_relative_to(tmp_path / "runs"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return original(path, *arguments, **named)

    if call == "open":
        (tmp_path / "runs" / "run").mkdir(parents=True)
    monkeypatch.setattr(os, call, refused)
    with pytest.raises(StorageError, match=r"Read-only file system.*: name a folder that may be written"):
        train(sources, tmp_path / "runs" / "run")


def test_a_run_is_held_while_its_vocabulary_is_learnt(sources, tmp_path, monkeypatch):
    learn, found = Word.train, []

    def learnt(self: Word, texts: object) -> object:
        found.append(is_vacant(tmp_path / "run"))
        with pytest.raises(BusyError):
            train(sources, tmp_path / "run")
        return learn(self, texts)

    monkeypatch.setattr(Word, "train", learnt)
    assert train(sources, tmp_path / "run", ("training.max_steps", 2))
    assert found == [False]


def test_what_cannot_begin_leaves_no_folder(sources, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        train(replace(sources, train=["nothing.txt"]), tmp_path / "runs" / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["texts.txt"]


def test_what_cannot_begin_and_not_be_taken_away_is_told(sources, tmp_path, monkeypatch):
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def fails_from_here(*_: object, **__: object) -> None:
        monkeypatch.setattr(os, "unlink", fails)
        fails()

    monkeypatch.setattr(os, "replace", fails_from_here)
    with pytest.raises(StorageError, match="Read-only file system"):
        train(sources, tmp_path / "run")


def test_a_start_that_a_signal_ended_leaves_a_vacant_folder(tmp_path):
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "run.lock").write_text("1 elsewhere\n")
    (tmp_path / "file").write_text("")
    full = tmp_path / "full" / "mine"
    full.mkdir(parents=True)
    assert [is_vacant(tmp_path / name) for name in ("new", "left", "file", "full")] == [True, True, False, False]


def test_damaged_weights_are_refused(sources, tmp_path):
    train(sources, tmp_path / "run", ("training.max_steps", 2))
    path = tmp_path / "run" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(RunError, match="where its manifest says"):
        open_run(tmp_path / "run")
    revouch(tmp_path / "run")
    with pytest.raises(RunError, match="cannot be read"):
        open_run(tmp_path / "run")


def test_weights_that_are_not_numbers_are_refused(sources, tmp_path):
    train(sources, tmp_path / "run", ("training.max_steps", 2))
    path = tmp_path / "run" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-400:] = b"\xff" * 400
    path.write_bytes(bytes(content))
    revouch(tmp_path / "run")
    with pytest.raises(RunError, match="not finite at"):
        open_run(tmp_path / "run")


def test_a_loss_that_is_not_finite_stops_before_the_weights_change(sources, tmp_path, monkeypatch):
    original = Objective.__call__

    def poisoned(self: Objective, run: ModelRun, step: int) -> Terms:
        terms = original(self, run, step)
        return replace(terms, loss=terms.loss * float("nan")) if step == 4 else terms

    monkeypatch.setattr(Objective, "__call__", poisoned)
    with pytest.raises(NumericalError, match="step 4"):
        train(sources, tmp_path / "run")
    assert all(tensor.isfinite().all() for tensor in load_file(newest(tmp_path / "run") / "model.safetensors").values())


@pytest.mark.parametrize("clip_norm", [5.0, 0.0])
def test_a_gradient_that_is_not_finite_stops_before_the_weights_change(sources, tmp_path, monkeypatch, clip_norm):
    original = Trainer._step

    def poisoned(self: Trainer, *arguments: object) -> None:
        if self.progress.step == 5:
            next(self.plain_model.parameters()).register_hook(lambda gradient: gradient * float("inf"))
        before = [weight.clone() for weight in self.plain_model.parameters()]
        try:
            original(self, *arguments)
        finally:
            unchanged = all(map(torch.equal, before, self.plain_model.parameters()))
            assert unchanged == (self.progress.step == 5)

    monkeypatch.setattr(Trainer, "_step", poisoned)
    with pytest.raises(NumericalError, match="step 4 has loss"):
        train(sources, tmp_path / "run", ("training.clip_norm", clip_norm))
    assert newest(tmp_path / "run").name == "step-00000003"


def test_the_batch_that_was_not_finite_is_kept_where_numbers_are_read_later_too(sources, tmp_path, monkeypatch):
    """As on a GPU: the optimiser passes over the update, and the numbers are looked at before anything is saved."""
    original, guard = Trainer._step, Guard.__init__
    seen, rows, texts = [], [], []

    def poisoned(self: Trainer, batch: Batch, *arguments: object) -> None:
        if self.progress.step == 5:
            rows.extend(batch.index.tolist())
            texts.extend(self.loader.corpus.text(row) for row in rows)
            hook = next(self.plain_model.parameters()).register_hook(lambda gradient: gradient * float("nan"))
        before = [weight.clone() for weight in self.plain_model.parameters()]
        original(self, batch, *arguments)
        if self.progress.step == 5:
            hook.remove()
        seen.append(all(map(torch.equal, before, self.plain_model.parameters())))

    monkeypatch.setattr(Guard, "__init__", lambda self, folder, later: guard(self, folder, later=True))
    monkeypatch.setattr(Trainer, "_step", poisoned)
    with pytest.raises(NumericalError, match=r"step 4 has loss .* its batch is in .*step-00000004.json"):
        train(sources, tmp_path / "run")
    assert seen == [False, False, False, False, True, False]
    kept = json.loads((tmp_path / "run" / "diverged" / "step-00000004.json").read_text())
    assert (kept["rows"], kept["texts"]) == (rows, texts)
    assert rows
    assert newest(tmp_path / "run").name == "step-00000003"


@needs_linux
def test_a_record_of_a_validation_is_on_the_disk_before_the_checkpoint_that_says_it_was_done(
    sources, tmp_path, monkeypatch
):
    sync, save, events = os.fsync, Checkpoints.save, []

    def synced(descriptor: int) -> None:
        sync(descriptor)
        events.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    def saved(self: Checkpoints, *arguments: object) -> None:
        events.append("checkpoint")
        save(self, *arguments)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Checkpoints, "save", saved)
    train(sources, tmp_path / "run", ("training.epochs", 1))
    last = len(events) - events[::-1].index("checkpoint") - 1
    assert "metrics.jsonl" in events[:last]


def test_what_was_left_out_of_a_corpus_is_told_wherever_the_corpus_is(sources, tmp_path, monkeypatch):
    replace, moved = os.replace, []

    def noted(source: str | Path, target: str | Path) -> None:
        replace(source, target)
        moved.append(Path(target))

    monkeypatch.setattr(os, "replace", noted)
    train(sources, tmp_path / "run", ("training.epochs", 1))
    assert [path.suffix for path in moved if path.parent.name == "data"] == [".json", ".arrow"]


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_validation_that_is_not_finite_stops_and_loses_no_step(sources, tmp_path, monkeypatch, value):
    def poisoned(*arguments: object) -> dict[str, float]:
        record = validate(*arguments)
        return {**record, "negative_elbo": float(value)}

    monkeypatch.setattr("latentia.training.loop.validate", poisoned)
    with pytest.raises(NumericalError, match=rf"the validation after step 8 has negative_elbo {value}"):
        train(sources, tmp_path / "run")
    assert newest(tmp_path / "run").name == "step-00000008-unvalidated"
    monkeypatch.undo()
    assert resume_run(tmp_path / "run", QUIET)


@pytest.mark.parametrize(("rate", "wrong"), [(1e42, "not finite"), (1e20, r"beyond 1e\+12")])
def test_weights_that_are_not_finite_are_never_written(sources, tmp_path, rate, wrong):
    with pytest.raises(NumericalError, match=f"is {wrong} after step 1"):
        train(sources, tmp_path / "run", ("training.optimizer.learning_rate", rate), ("training.checkpoint_every", 1))
    assert not (tmp_path / "run").exists()


LAGGING = ("training.plan", {"kind": "AggressiveInference", "most": 1})


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_plan_that_would_remember_what_is_not_finite_stops_and_loses_no_step(sources, tmp_path, monkeypatch, value):
    settings = (LAGGING, ("model.share_embedding", False))
    assert train(sources, tmp_path / "whole", *settings)
    monkeypatch.setattr(
        "latentia.training.loop.validate",
        lambda *arguments: {**validate(*arguments), "mutual_information": float(value)},
    )
    with pytest.raises(NumericalError, match=rf"the validation after step 8 has information {value}"):
        train(sources, tmp_path / "run", *settings)
    assert newest(tmp_path / "run").name == "step-00000008-unvalidated"
    monkeypatch.undo()
    assert resume_run(tmp_path / "run", QUIET)
    for name in ("model.safetensors", "optimizer.safetensors"):
        whole, resumed = (load_file(newest(tmp_path / run) / name) for run in ("whole", "run"))
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)


@pytest.mark.parametrize(
    ("poison", "told"),
    [
        (lambda trainer: trainer.progress.memory.update(multiplier=float("nan")), "the plan's multiplier"),
        (lambda trainer: trainer.plain_model.get_buffer("counts").fill_(float("inf")), "counts"),
        (
            lambda trainer: next(iter(trainer.optimizer.optimizer.state.values()))["exp_avg_sq"].fill_(float("inf")),
            "exp_avg_sq of .*weight",
        ),
    ],
)
def test_nothing_that_is_not_finite_is_saved(sources, tmp_path, monkeypatch, poison, told):
    original, begun = Trainer._step, Trainer.__init__

    def begin(self: Trainer, model: torch.nn.Module, *arguments: object) -> None:
        model.register_buffer("counts", torch.zeros(2))
        begun(self, model, *arguments)

    def step_and_poison(self: Trainer, *arguments: object) -> None:
        original(self, *arguments)
        if self.progress.step == 5:
            poison(self)

    monkeypatch.setattr(Trainer, "__init__", begin)
    monkeypatch.setattr(Trainer, "_step", step_and_poison)
    with pytest.raises(NumericalError, match=rf"{told}.* is not finite after step 6"):
        train(sources, tmp_path / "run")
    assert newest(tmp_path / "run").name == "step-00000003"


def test_a_folder_that_was_there_stays_when_training_cannot_begin(sources, tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(NumericalError):
        train(sources, tmp_path / "run", ("training.optimizer.learning_rate", 1e42), ("training.checkpoint_every", 1))
    assert not list((tmp_path / "run").iterdir())


def test_a_run_stopped_before_its_first_validation_can_be_opened(sources, tmp_path, monkeypatch):
    interrupt_after(monkeypatch, 1)
    assert not train(sources, tmp_path / "run")
    open_run(tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"no weights yet.*--resume"):
        open_run(tmp_path / "run")


def test_validation_groups_as_training_does(sources, tmp_path, monkeypatch):
    """The density gap and free bits a dimension depend on what stands beside an example."""
    seen = []
    original = Trainer._validate
    monkeypatch.setattr(
        Trainer, "_validate", lambda self, batches, *rest: seen.extend(batches()) or original(self, batches, *rest)
    )
    valid = Sources(sources.train, sources.train, sources.columns)
    train(valid, tmp_path / "run", ("training.epochs", 1), ("training.batching", {"kind": "Mixed"}))
    assert {len(batch) for batch in seen} == {8, 60 % 8}
    assert not all(batch.equal_length for batch in seen)


def test_a_run_folder_is_data_alone(sources, tmp_path):
    train(sources, tmp_path / "run", ("training.max_steps", 4))
    names = {
        path.suffix for path in (tmp_path / "run").rglob("*") if path.is_file() and "tensorboard" not in path.parts
    }
    assert names == {".safetensors", ".json", ".jsonl", ".yaml", ".arrow", ".lock"}
    for name in ("recipe.yaml", "tokenizer.json", "model.safetensors", "metrics.jsonl", "environment.json"):
        assert (tmp_path / "run" / name).exists()


def test_early_stopping_stops_and_keeps_the_best_weights(sources, tmp_path):
    settings = [
        ("training.epochs", 40),
        ("training.stopping.patience", 1),
        ("objective.weight", {"kind": "Constant", "value": 1.0}),
    ]
    settings.append(("training.optimizer.learning_rate", 0.3))
    assert train(sources, tmp_path / "run", *settings)
    validations = [line for line in records(tmp_path / "run") if line["split"] == "validation"]
    assert len(validations) < 40
    best = min(validations, key=lambda line: line["negative_elbo"])
    assert validations[-1]["best_step"] == best["step"] < validations[-1]["step"]
    last = load_file(newest(tmp_path / "run") / "model.safetensors")
    kept = load_file(tmp_path / "run" / "model.safetensors")
    assert not all(torch.equal(last[key], kept[key]) for key in kept)


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"step": 1' + "0" * 400 + "}", '{"step": 3, "lo', '{"step": []}', "\0"]
)
def test_what_is_no_record_is_dropped_when_records_are_taken_up_again(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 1}}\n{line}\n{{"step": 2}}\n')
    Metrics(tmp_path, 1)
    assert path.read_text() == '{"step": 1}\n'


@pytest.mark.parametrize("kind", [BPE, Word])
def test_what_hears_no_signal_is_ended_by_it(sources, tmp_path, monkeypatch, kind):
    seen, learn = [], kind.train

    def noted(self, texts):
        seen.append(signal.getsignal(signal.SIGTERM))
        return learn(self, texts)

    monkeypatch.setattr(kind, "train", noted)
    with interruption() as asked:
        train(sources, tmp_path / "run", ("data.tokenizer", {"kind": kind.__name__}), ("training.max_steps", 1))
        assert seen == [signal.SIG_DFL if kind is BPE else asked.note]
        assert signal.getsignal(signal.SIGTERM) == asked.note
