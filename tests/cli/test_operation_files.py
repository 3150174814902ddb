"""Operations over files, and their answers in files, without a process each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from latentia.cli import lines, operation
from latentia.cli.operation import command_of
from latentia.data import Columns, Corpus, Selection, Word
from latentia.errors import DataError, InputError
from latentia.operations import TextSpace
from tests.laws.tables import model

WORDS = Word().train(["a b c"])


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Calls a command with a small space in place of a run, in a folder of its own."""
    corpus = Corpus.from_texts(["a b", "b c", "c a a"] * 4, WORDS)
    space = TextSpace(model(WORDS.vocabulary_size).eval(), WORDS, 6, lambda: Selection.all_of(corpus))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(operation, "load", lambda run: space)
    monkeypatch.setattr(lines, "columns_of", lambda run: Columns("said"))
    (tmp_path / "a.txt").write_text("a b\n\nc\n")
    (tmp_path / "b.tsv").write_text("id\tsaid\n7\tb b\n8\tc c a\n")
    return lambda name, *words: command_of(name).main(["RUN", *words], standalone_mode=False)


def test_files_of_any_format_are_data(call, capsys):
    call("encode", "a.txt", "b.tsv", "--out", "codes.parquet")
    assert pq.read_table("codes.parquet")["text"].to_pylist() == ["a b", "c", "b b", "c c a"]
    said = capsys.readouterr().err
    assert "4 rows in codes.parquet" in said
    assert "4 of 5 lines used; 1 line empty, left out (first a.txt:2)" in said


def test_the_column_can_be_named(call, capsys):
    with pytest.raises(DataError, match="has no column 'text'"):
        call("score", "b.tsv", "--text", "text")
    call("score", "b.tsv", "--json")
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["text"] for each in answers] == ["b b", "c c a"]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_is_printed_is_what_was_answered(call, capfd, options):
    """Words between colons stay words, and tabs that part columns stay tabs."""
    (Path.cwd() / "odd.txt").write_text(":heart: a [b]\ta\n")
    call("encode", "odd.txt", *options)
    said = capfd.readouterr().out
    text = json.loads(said)["text"] if options else said.rpartition("\t")[0]
    assert text == ":heart: a [b]\ta"


def test_neighbours_are_looked_for_in_a_file_or_in_the_training_texts(call, capsys):
    call("neighbours", "c c a", "--data", "b.tsv", "-n", "1")
    assert capsys.readouterr().out.split() == ["0.000", "c", "c", "a"]
    call("neighbours", "c a a", "-n", "1")
    assert capsys.readouterr().out.split() == ["0.000", "c", "a", "a"]


def test_a_file_that_is_there_stays(call):
    call("encode", "a.txt", "--out", "codes.npy")
    with pytest.raises(InputError, match="is there already"):
        call("encode", "b.tsv", "--out", "codes.npy")
    call("encode", "b.tsv", "--out", "codes.npy", "--overwrite")
    assert np.load("codes.npy").shape[0] == 2


def test_answers_of_other_operations_go_to_files_too(call):
    call("sample", "-n", "3", "--out", "new.jsonl")
    with open("new.jsonl") as stream:
        assert len([json.loads(line)["text"] for line in stream]) == 3


def test_refused_texts_are_told_apart_from_the_file(call, capsys, tmp_path):
    (tmp_path / "a.txt").write_text("a b\nzzz\nc\n")
    with pytest.raises(InputError, match="1 text got no answer"):
        call("encode", "a.txt", "--out", "codes.csv")
    assert len((tmp_path / "codes.csv").read_text().splitlines()) == 3
    assert "line 2 holds no token" in capsys.readouterr().err
