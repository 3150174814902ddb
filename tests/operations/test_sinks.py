"""Answers in files: what comes back is what went in, and what goes wrong leaves nothing behind."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
import pytest

from latentia.data import Columns, read_texts
from latentia.errors import InputError, StorageError
from latentia.operations import Refused, sinks, write
from latentia.operations.sinks import SUFFIXES
from tests.disk import small_disk

REFUSED = Refused(2, "is empty", "give a text")


@dataclass(frozen=True, eq=False)
class Row:
    line: int
    text: str
    score: float
    parts: tuple[str, ...]
    code: np.ndarray


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(sinks, "ANSWERS_AT_A_TIME", 3)


def rows(count: int = 8, shape: tuple[int, ...] = (4,)) -> list[Row]:
    generator = np.random.default_rng(0)
    codes = generator.standard_normal((count, *shape)).astype(np.float32)
    return [Row(i, f'a, "{i}" é', i / 7, ("x", str(i)), code) for i, code in enumerate(codes)]


def test_parquet_holds_vectors_as_lists_of_fixed_size(tmp_path):
    written = write([*rows()[:1], REFUSED, *rows()[1:]], tmp_path / "a.parquet")
    table = pq.read_table(written.path)
    assert (written.rows, written.refused) == (8, (REFUSED,))
    assert str(table.schema.field("code").type) == "fixed_size_list<element: float>[4]"
    assert table["text"].to_pylist() == [row.text for row in rows()]
    assert table["score"].to_pylist() == [row.score for row in rows()]
    assert table["parts"].to_pylist() == [list(row.parts) for row in rows()]
    np.testing.assert_array_equal(np.stack(table["code"].to_pylist()), np.stack([row.code for row in rows()]))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_named_with_the_file_and_nothing_is_left(tmp_path, suffix):
    with small_disk(1000), pytest.raises(StorageError, match=rf"a{suffix} cannot be written .*: make room") as told:
        write(rows(1000), tmp_path / f"a{suffix}")
    assert told.value.exit_code == 74
    assert not list(tmp_path.iterdir())


def test_parquet_holds_a_code_a_token(tmp_path):
    write(rows(shape=(3, 2)), tmp_path / "a.parquet")
    column = pq.read_table(tmp_path / "a.parquet")["code"]
    np.testing.assert_array_equal(np.array(column.to_pylist()), np.stack([row.code for row in rows(shape=(3, 2))]))


@pytest.mark.parametrize("shape", [(4,), (3, 2)])
def test_arrays_hold_the_vectors_alone(tmp_path, shape):
    write(rows(shape=shape), tmp_path / "a.npy")
    found = np.load(tmp_path / "a.npy", allow_pickle=False)
    np.testing.assert_array_equal(found, np.stack([row.code for row in rows(shape=shape)]))


def test_json_lines_hold_everything(tmp_path):
    write(rows(), tmp_path / "a.jsonl")
    found = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [each["text"] for each in found] == [row.text for row in rows()]
    np.testing.assert_allclose([each["code"] for each in found], [row.code for row in rows()], rtol=1e-7)
    assert found[1]["parts"] == ["x", "1"]


def test_tables_of_text_have_a_column_for_each_number(tmp_path):
    write(rows(), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as stream:
        found = list(csv.DictReader(stream))
    assert list(found[0]) == ["line", "text", "score", "parts", "code_0", "code_1", "code_2", "code_3"]
    assert [each["text"] for each in found] == [row.text for row in rows()]
    np.testing.assert_array_equal([np.float32(each["code_3"]) for each in found], [row.code[3] for row in rows()])


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv", ".tsv"])
def test_what_is_written_can_be_trained_on(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write(["a b", 'a "quoted, text', "c"], path)
    assert list(read_texts([str(path)], Columns("text"))) == ["a b", 'a "quoted, text', "c"]


def test_a_tab_is_no_new_cell(tmp_path):
    write(["a\tb\nc"], tmp_path / "a.tsv")
    assert (tmp_path / "a.tsv").read_text() == "text\na b c\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("there.csv", r"is there already: name another file, or replace it \(--overwrite, in Python overwrite=True\)"),
        ("a.xlsx", r"has no known suffix: end it in one of \.parquet, \.jsonl, \.csv, \.tsv, \.npy"),
        ("nowhere/a.csv", "is no folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_done(tmp_path, name, message):
    (tmp_path / "there.csv").write_text("precious")
    answers = iter(rows())
    with pytest.raises(InputError, match=message):
        write(answers, tmp_path / name)
    assert next(answers).line == 0
    assert (tmp_path / "there.csv").read_text() == "precious"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, suffix):
    def failing():
        yield from rows()
        raise ValueError("torn")

    path = tmp_path / f"a{suffix}"
    path.write_text("precious")
    with pytest.raises(ValueError, match="torn"):
        write(failing(), path, overwrite=True)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "precious"
    write(rows(), path, overwrite=True)
    assert path.read_bytes() != b"precious"


def test_a_file_that_another_has_written_meanwhile_stays(tmp_path):
    path = tmp_path / "texts.jsonl"

    def answers():
        yield "a"
        path.write_text("of another")

    with pytest.raises(InputError, match="is there already"):
        write(answers(), path)
    assert path.read_text() == "of another"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_but_refusals_makes_no_file(tmp_path):
    with pytest.raises(InputError, match="text 2 is empty"):
        write([REFUSED], tmp_path / "a.csv")
    with pytest.raises(InputError, match="no answer to write"):
        write([], tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())


def test_answers_of_two_kinds_and_vectors_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError, match="two kinds, Row and str"):
        write([rows()[0], "a"], tmp_path / "a.csv")
    with pytest.raises(InputError, match="holds 0 vectors"):
        write(["a"], tmp_path / "a.npy")


def test_answers_are_not_held(tmp_path, monkeypatch):
    """No more is read than a chunk before it is written."""
    read, written = [], []
    original = sinks._table
    monkeypatch.setattr(sinks, "_table", lambda answers: written.append(len(read)) or original(answers))
    write((read.append(row) or row for row in rows(9)), tmp_path / "a.jsonl")
    assert written == [3, 6, 9]
