"""Files are whole or not there; what their manifest does not know is refused; one process holds a folder."""

from __future__ import annotations

import errno
import json
import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from latentia.durable import (
    MANIFEST,
    Manifest,
    append_line,
    entry_of,
    is_there,
    locked,
    make_folder,
    names_in,
    read_bounded,
    read_manifest,
    replace_vouched,
    require_unheld,
    require_whole,
    sweep,
    vouch,
    vouched,
    write_atomically,
    write_new,
)
from latentia.errors import BusyError, RunError, StorageError
from latentia.training.checkpoint import Checkpoints
from tests.chaos import saving
from tests.chaos.faults import UNREAD, Disk, Fault
from tests.disk import small_disk


def test_a_file_is_written_whole_and_described_by_what_was_written(tmp_path):
    entry = write_atomically(tmp_path / "a", b"x" * (2**22 + 7))
    assert entry == entry_of((tmp_path / "a").read_bytes())
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("number", "told"), [(errno.ENOSPC, "make room for 3 bytes"), (errno.EROFS, "may be written"), (errno.EIO, "check")]
)
def test_what_the_disk_refuses_is_a_typed_error_and_the_file_before_stays(tmp_path, monkeypatch, number, told):
    write_atomically(tmp_path / "a", b"old")

    def fails(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", fails)
    with pytest.raises(StorageError, match=told) as raised:
        write_atomically(tmp_path / "a", b"new")
    assert raised.value.exit_code == 74
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_disk_that_cannot_give_back_what_is_to_be_replaced_fails(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")
    vouch(tmp_path, ["a"])
    opened = os.open

    def fails(path: str | Path, *arguments: int) -> int:
        if Path(path) == tmp_path / "a":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return opened(path, *arguments)

    monkeypatch.setattr(os, "open", fails)
    with pytest.raises(StorageError, match="a cannot be read"):
        replace_vouched(tmp_path, "a", b"new")
    monkeypatch.undo()
    assert vouched(tmp_path, "a") == b"old"


def test_a_limit_of_a_file_s_length_keeps_the_checkpoint_before(tmp_path):
    folder = saving.template(tmp_path / "run")
    with small_disk(100), pytest.raises(StorageError, match=r"make room for [\d,]+ bytes .*raise the limit") as raised:
        saving.save(folder, saving.AFTER)
    assert isinstance(raised.value.__cause__, OSError)
    assert raised.value.__cause__.errno == errno.EFBIG
    assert Checkpoints(folder).newest().step == saving.BEFORE
    assert not list(folder.rglob("*.tmp"))


def test_short_writes_are_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, bytes(content)[:2]))
    assert write_new(tmp_path / "a", b"seven 7") == entry_of(b"seven 7")
    append_line(tmp_path / "a", "more")
    assert (tmp_path / "a").read_bytes() == b"seven 7more\n"


def test_a_link_is_not_written_through(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "link").symlink_to("precious")
    with pytest.raises(StorageError):
        write_new(tmp_path / "link", b"yours")
    with pytest.raises(StorageError):
        append_line(tmp_path / "link", "yours")
    write_atomically(tmp_path / "link", b"yours")
    assert (tmp_path / "precious").read_text() == "mine"


def test_leftovers_are_swept_and_nothing_else(tmp_path):
    make_folder(tmp_path / ".a.tmp" / "deep")
    for name in (".b.tmp", "c", ".d"):
        (tmp_path / name).write_text("")
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"c", ".d"}


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 9)
    vouch(tmp_path, ("a", "b", "missing"))
    return tmp_path


def test_what_the_manifest_names_is_read(folder):
    assert vouched(folder, "a") == b"a" * 9
    require_whole(folder, ("a", "b"))
    write_atomically(folder / "c", b"")
    with pytest.raises(RunError, match="is not in"):
        require_whole(folder, ("c",))


@pytest.mark.parametrize("content", [b"", b"a" * 8, b"a" * 8 + b"b", b"a" * 10])
def test_what_it_does_not_name_is_refused(folder, content):
    (folder / "a").write_bytes(content)
    with pytest.raises(RunError, match="manifest"):
        vouched(folder, "a")


def test_every_flipped_bit_of_a_manifest_is_seen(folder):
    content = (folder / MANIFEST).read_bytes()
    for bit in range(8 * len(content)):
        altered = bytearray(content)
        altered[bit // 8] ^= 1 << bit % 8
        (folder / MANIFEST).write_bytes(bytes(altered))
        with pytest.raises(RunError):
            read_manifest(folder)


def test_a_manifest_of_the_format_before_is_read(folder):
    old = {name: vars(entry_of(name.encode() * 9)) for name in ("a", "b")}
    (folder / MANIFEST).write_text(json.dumps(old, indent=1))
    require_whole(folder, ("a", "b"))


@pytest.mark.parametrize("size", ['"x"', "[]", "{}", "null", "true", "1.0", "-1", "1e999", "9" * 30])
@pytest.mark.parametrize("start", ['{"format": 2, "before": {}, "seal": "", "files": ', ""])
def test_a_length_that_is_none_is_refused(folder, size, start):
    entries = f'{{"a": {{"bytes": {size}, "sha256": ""}}}}'
    (folder / MANIFEST).write_text(f"{start}{entries}}}" if start else entries)
    with pytest.raises(RunError, match="is no manifest"):
        vouched(folder, "a")


def test_a_file_longer_than_its_manifest_says_is_not_read(folder, monkeypatch):
    with (folder / "a").open("r+b") as file:
        file.truncate(2**34)
    monkeypatch.setattr("latentia.durable.manifest.read_bounded", _only(MANIFEST, read_bounded, None))
    monkeypatch.setattr("latentia.durable.manifest.pieces", None)
    for check in (lambda: vouched(folder, "a"), lambda: require_whole(folder, ("a",))):
        with pytest.raises(RunError, match=r"17,179,869,184 bytes where its manifest says 9"):
            check()


def test_a_replaced_file_is_vouched_for_wherever_the_replacing_stops(folder, monkeypatch):
    def stops(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("latentia.durable.manifest.write_atomically", _only(MANIFEST, write_atomically, stops))
        with pytest.raises(KeyboardInterrupt):
            replace_vouched(folder, "a", b"new")
    assert vouched(folder, "a") == b"a" * 9
    replace_vouched(folder, "a", b"newer")
    assert vouched(folder, "a") == b"newer"
    (folder / "a").write_bytes(b"new")
    with pytest.raises(RunError):
        vouched(folder, "a")


def _only(name: str, does: object, otherwise: object) -> object:
    return lambda path, content: (does if path.name == name else otherwise)(path, content)


def test_a_folder_without_a_manifest_vouches_for_nothing(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    assert read_manifest(tmp_path) is None
    assert vouched(tmp_path, "a") == b"a"
    replace_vouched(tmp_path, "a", b"b")
    assert not (tmp_path / MANIFEST).exists()


def test_a_manifest_is_of_no_other_seal(folder):
    manifest = read_manifest(folder)
    content = json.loads(Manifest(manifest.files).encode())
    (folder / MANIFEST).write_text(json.dumps({**content, "seal": "0" * 64}, indent=1))
    with pytest.raises(RunError, match="does not agree with its seal"):
        read_manifest(folder)


def test_pipes_devices_and_long_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "long").write_bytes(b"x" * 11)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    for name in ("pipe", "endless", "", "long", "none", "socket", "long/none", "n" * 300):
        with pytest.raises(RunError):
            read_bounded(tmp_path / name, most=10)


@pytest.mark.parametrize("kind", UNREAD)
def test_a_file_that_is_not_given_back_is_of_the_system(tmp_path, monkeypatch, kind):
    """What an error means must not depend on which one it is: the file may be whole."""

    def fails(*_: object, **__: object) -> int:
        raise OSError(getattr(errno, kind), "no")

    (tmp_path / "a").write_bytes(b"x")
    asked = {"open": (read_bounded, tmp_path / "a"), "stat": (is_there, tmp_path), "listdir": (names_in, tmp_path)}
    for name, (ask, path) in asked.items():
        monkeypatch.setattr(os, name, fails)
        with pytest.raises(StorageError, match=r"cannot be read \(no\)"):
            ask(path)
        monkeypatch.undo()


def test_a_file_that_the_memory_does_not_take_is_not_damaged(tmp_path, monkeypatch):
    def fails(*_: object) -> object:
        raise MemoryError

    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setattr(os, "fdopen", fails)
    with pytest.raises(StorageError, match="the memory does not take it"):
        read_bounded(tmp_path / "a")


def test_names_and_files_that_are_not_there(tmp_path):
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "a").symlink_to("none")
    assert names_in(tmp_path) == ["a", "b"]
    assert names_in(tmp_path / "none") == []
    assert [is_there(tmp_path / name) for name in ("a", "b", "c", "b/c")] == [True, True, False, False]


def test_a_folder_is_held_by_one_and_free_again(tmp_path):
    with locked(tmp_path):
        with pytest.raises(BusyError, match=f"in use by another process {os.getpid()} on ") as raised, locked(tmp_path):
            pass
        assert raised.value.exit_code == 75
    with locked(tmp_path):
        pass


def test_a_lock_of_a_process_that_is_gone_holds_nothing(tmp_path):
    (tmp_path / "run.lock").write_text("1 elsewhere\n")
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused_and_told(tmp_path, monkeypatch, number):
    import fcntl

    def lacking(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", lacking)
    entered = []
    with pytest.raises(StorageError, match="name a folder on a file system that has locks") as raised, locked(tmp_path):
        entered.append(tmp_path)
    assert (raised.value.exit_code, entered) == (74, [])
    require_unheld(tmp_path)


def test_a_lock_that_has_another_name_is_not_written(tmp_path):
    (tmp_path / "precious").write_text("words")
    (tmp_path / "run.lock").hardlink_to(tmp_path / "precious")
    with pytest.raises(StorageError, match="another file too") as raised, locked(tmp_path):
        pass
    assert raised.value.exit_code == 74
    assert (tmp_path / "precious").read_text() == "words"


def test_a_lock_is_looked_at_without_a_trace(tmp_path):
    require_unheld(tmp_path)
    assert not list(tmp_path.iterdir())
    with locked(tmp_path), pytest.raises(BusyError, match=f"in use by another process {os.getpid()} on "):
        require_unheld(tmp_path)
    require_unheld(tmp_path)
    with locked(tmp_path):
        pass


def test_a_lock_file_that_was_removed_meanwhile_locks_nothing(tmp_path, monkeypatch):
    import fcntl

    flock, calls = fcntl.flock, []

    def slow(descriptor: int, operation: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            (tmp_path / "run.lock").unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    with locked(tmp_path):
        assert len(calls) == 2
        assert (tmp_path / "run.lock").exists()


@pytest.mark.parametrize(("call", "kind"), [*(("open", kind) for kind in UNREAD), ("read", "EIO"), ("stat", "EIO")])
def test_a_checkpoint_that_the_disk_does_not_give_back_is_not_taken_for_damaged(tmp_path, call, kind):
    """An error of one moment would cost the run its checkpoint."""
    folder = saving.template(tmp_path / "run")
    model, optimizer = saving.parts(9)
    counted = Disk(folder / "checkpoints", Fault())
    with counted.installed():
        Checkpoints(folder).restore(model, optimizer)
    places = [at for at, name in enumerate(counted.names, start=1) if name == call]
    assert places
    for at in places:
        disk = Disk(folder / "checkpoints", Fault(kind, at))
        with disk.installed(), suppress(StorageError):
            Checkpoints(folder).restore(model, optimizer)
        assert disk.fault.happened(disk.fired, disk.dead)
        assert not list((folder / "checkpoints").glob("*.corrupt*"))
