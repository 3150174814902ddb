"""Operations over files, and their answers in files, without a process each."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
from rich.console import Console

from latentia import cli
from latentia.cli import lines, operation, progress
from latentia.cli.operation import command_of
from latentia.data import Columns, Corpus, Selection, Word
from latentia.errors import DataError, InputError, StorageError
from latentia.operations import TextSpace
from tests.disk import small_disk
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
    (tmp_path / "c.txt").write_text("c\n")
    (tmp_path / "b.tsv").write_text("id\tsaid\n7\tb b\n8\tc c a\n")
    return lambda name, *words: command_of(name).main(["RUN", *words], standalone_mode=False)


def test_files_of_any_format_are_data_and_lines_are_those_of_the_files(call, capsys):
    """Blank lines too: each has an answer or a refusal, and none moves the numbers of the others."""
    with pytest.raises(InputError, match="1 text got no answer: mend or remove it"):
        call("encode", "a.txt", "b.tsv", "--out", "codes.parquet")
    table = pq.read_table("codes.parquet")
    assert table["text"].to_pylist() == ["a b", "c", "b b", "c c a"]
    assert table["line"].to_pylist() == [1, 3, 4, 5]
    said = capsys.readouterr().err
    assert "4 rows in codes.parquet" in said
    assert "a.txt:2 is empty: give a text" in said


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
    assert capsys.readouterr().out.split() == ["0.000", "c", "a", "a", "(4", "times)"]


@pytest.mark.parametrize(("name", "words", "fits"), [("encode", "c.txt", True), ("score", "c.txt", False)])
def test_files_of_vectors_are_offered_where_an_answer_holds_one(call, monkeypatch, name, words, fits):
    """And refused elsewhere before a run is read."""
    (option,) = (each for each in command_of(name).params if each.name == "out")
    assert (".npy" in option.help) == fits
    if not fits:
        monkeypatch.setattr(operation, "load", lambda run: pytest.fail("the run was read"))
        with pytest.raises(InputError, match=r"can hold no such answers: end it in one of .*\.tsv$"):
            call(name, words, "--out", "codes.npy")


SLIPS = {
    "no-data": (["nope.tsv"], "nope.tsv does not exist"),
    "data-is-a-folder": (["folder"], "folder is a folder"),
    "no-column": (["b.tsv", "--text", "nope"], "has no column 'nope'"),
    "no-folder": (["b.tsv", "--out", "nope/x.jsonl"], "nope is no folder"),
    "folder-for-a-file": (["b.tsv", "--out", "folder.jsonl", "--overwrite"], "folder.jsonl is a folder"),
    "file-there": (["b.tsv", "--out", "there.jsonl"], "is there already"),
    "may-not-write": (["b.tsv", "--out", "closed/x.jsonl"], "nothing may be written in closed"),
    "refusals-there": (["b.tsv", "--refused", "there.jsonl"], "is there already"),
}


@pytest.mark.parametrize(("words", "told"), SLIPS.values(), ids=SLIPS)
@pytest.mark.parametrize("name", ["encode", "score", "outliers", "cluster", "augment", "neighbours", "reconstruct"])
def test_a_slip_in_a_name_is_told_before_the_run_is_read(call, monkeypatch, tmp_path, name, words, told):
    monkeypatch.setattr(operation, "load", lambda run: pytest.fail("the run was read"))
    for folder in ("folder", "folder.jsonl", "closed"):
        (tmp_path / folder).mkdir()
    (tmp_path / "there.jsonl").touch()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "closed" and access(path, mode))
    of_texts = {"neighbours": ["a b", "--data"], "reconstruct": ["--data"]}.get(name, [])
    labelled = ["--label", "id"] if name == "augment" else []
    with pytest.raises((DataError, InputError, StorageError), match=told):
        call(name, *of_texts, *words, *labelled)


def test_a_slip_in_the_name_of_codes_is_told_before_the_run_is_read(call, monkeypatch):
    monkeypatch.setattr(operation, "load", lambda run: pytest.fail("the run was read"))
    with pytest.raises(DataError, match=r"nope.npy does not exist"):
        call("decode", "nope.npy")


def test_a_file_that_is_there_stays(call):
    call("encode", "c.txt", "--out", "codes.npy")
    with pytest.raises(InputError, match="is there already"):
        call("encode", "b.tsv", "--out", "codes.npy")
    call("encode", "b.tsv", "--out", "codes.npy", "--overwrite")
    assert np.load("codes.npy").shape[0] == 2


def test_answers_of_other_operations_go_to_files_too(call, capsys):
    call("sample", "-n", "3", "--out", "new.jsonl")
    with open("new.jsonl") as stream:
        assert len([json.loads(line)["text"] for line in stream]) == 3
    call("sample", "-n", "1", "--out", "one.jsonl")
    assert "1 row in one.jsonl" in capsys.readouterr().err


@pytest.fixture
def thousand(tmp_path):
    """A thousand lines with three bad ones, after a header."""
    texts = ["a b c"] * 1000
    texts[16], texts[500], texts[999] = "", "zzz", "a " * 7
    (tmp_path / "thousand.tsv").write_text("\n".join(["said", *texts]))


@pytest.mark.usefixtures("thousand")
@pytest.mark.parametrize("name", ["encode", "score", "reconstruct"])
def test_of_a_thousand_lines_three_bad_ones_are_refused_where_they_stand(call, capfd, name):
    named = ["--data"] if name == "reconstruct" else []
    with pytest.raises(InputError, match="3 texts got no answer: mend or remove them"):
        call(name, *named, "thousand.tsv", *(["--samples", "2"] if name == "score" else []), "--json")
    out, err = capfd.readouterr()
    assert [json.loads(each)["line"] for each in out.splitlines()] == sorted({*range(1, 1001)} - {17, 501, 1000})
    assert [each.split()[0] for each in err.splitlines() if "standard error" not in each] == [
        "thousand.tsv:18",
        "thousand.tsv:502",
        "thousand.tsv:1001",
    ]


def test_of_many_refusals_some_are_told_and_all_are_in_a_file(call, capsys, tmp_path):
    (tmp_path / "many.txt").write_text("a\n" + "zzz\n" * 30)
    with pytest.raises(InputError, match="30 texts got no answer"):
        call("encode", "many.txt", "--refused", "refused.jsonl")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 21
    assert said[-1] == "and 10 more; refused.jsonl has all"
    refused = [json.loads(each) for each in (tmp_path / "refused.jsonl").read_text().splitlines()]
    assert [each["where"] for each in refused] == [f"many.txt:{line}" for line in range(2, 32)]
    assert refused[0]["line"] == 2
    assert refused[0]["remedy"] == "write it in words of the training texts"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--json", "--out", "x.csv"], "--json and --out are given"),
        (["--overwrite"], "--overwrite is given and no file"),
        (["--refused", "x.txt"], "no .jsonl file"),
        (["--refused", "there.jsonl"], "is there already"),
    ],
)
def test_options_that_would_do_nothing_or_harm_are_refused(call, tmp_path, options, message):
    (tmp_path / "there.jsonl").touch()
    with pytest.raises(InputError, match=message):
        call("encode", "b.tsv", *options)


def test_a_column_of_plain_text_is_refused(call):
    with pytest.raises(InputError, match="--text said is given for plain text, which has no columns: leave it out"):
        call("score", "a.txt", "c.txt", "--text", "said")
    call("score", "c.txt", "b.tsv", "--text", "said")


def test_help_names_the_strategies_in_words_that_a_narrow_terminal_does_not_cut():
    (option,) = (each for each in command_of("sample").params if each.name == "strategy")
    assert option.metavar == "NAME"
    assert "One of AllocatedBeam, Ancestral, Beam," in option.help


def test_a_wrong_choice_is_told_without_the_name_of_an_exception(capsys):
    cli._explain(typer.BadParameter("Value error, 'x' is not one of 'y'"))
    assert capsys.readouterr().err == "error: Invalid value: 'x' is not one of 'y': see `latentia --help`\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("encode", ["own.jsonl", "--out", "./own.jsonl"]),
        ("encode", ["own.jsonl", "--refused", "own.jsonl"]),
        ("impute", ["--data", "own.jsonl", "--out", "own.jsonl"]),
        ("edit", ["a b", "--from", "own.jsonl", "--to", "b.tsv", "--out", "own.jsonl"]),
        ("augment", ["own.jsonl", "--label", "label", "--out", "own.jsonl"]),
    ],
)
def test_what_is_read_is_not_written_over(call, tmp_path, name, words):
    own = tmp_path / "own.jsonl"
    own.write_text('{"text": "a ___ b", "label": "x"}\n')
    with pytest.raises(InputError, match=r"own.jsonl would be written over what is read from it: name another file"):
        call(name, *words, "--overwrite")
    assert own.read_text() == '{"text": "a ___ b", "label": "x"}\n'


def test_links_that_lead_to_themselves_are_told_as_what_cannot_be_read(call, tmp_path):
    (tmp_path / "round.txt").symlink_to("round.txt")
    with pytest.raises(DataError, match=r"round.txt"):
        call("encode", "round.txt", "--out", "codes.csv")
    with pytest.raises(InputError, match="for answers and for refusals"):
        call("encode", "a.txt", "--out", "round.jsonl", "--refused", "./round.jsonl")


def test_refusals_that_the_disk_does_not_take_are_a_typed_error(call, tmp_path):
    (tmp_path / "bad.txt").write_text("\n" * 3000 + "a b\n")
    with small_disk(1000), pytest.raises(StorageError, match=r"no.jsonl cannot be written"):
        call("encode", "bad.txt", "--refused", "no.jsonl")


def test_a_file_in_place_of_a_text_is_told_apart(call):
    with pytest.raises(InputError, match=r"b.tsv is a file: give it with --data"):
        call("reconstruct", "b.tsv")


HUGE = "100000000000"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["sample", "-n", HUGE * 9], "n is 1000.*: input should be less than"),
        (["sample", "--length", f"{HUGE}:"], "no text of at most 6 tokens meets: length"),
        (["sample", "--length", f"{HUGE * 9}:"], "write MIN:MAX"),
        (["sample", "--strategy", "Beam", "--width", HUGE], "width is 1000.*: give 1 to 2,000"),
        (["sample", "--strategy", "AllocatedBeam", "--width", HUGE], "width is 1000.*: give 1 to 2,000"),
        (["interpolate", "a", "b", "--steps", HUGE], "steps is 1000.*: input should be less than or equal to 10000"),
        (["traverse", "a", "--dimension", "0", "--steps", HUGE], "steps is 1000"),
        (["score", "b.tsv", "--samples", HUGE], "samples is 1000"),
        (["outliers", "b.tsv", "--samples", HUGE], "samples is 1000"),
        (["impute", "a ___", "--sweeps", HUGE], "sweeps is 1000"),
        (["cluster", "b.tsv", "-k", HUGE], "k is 1000.* 2 different codes"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_no_memory_holds_is_refused(call, command, message):
    name, *words = command
    with pytest.raises(InputError, match=message):
        call(name, *words)


def test_more_tokens_than_are_ever_written_are_no_limit(call, capsys):
    call("sample", "-n", "3", "--length", f"2:{HUGE}")
    assert all(len(text.split()) >= 2 for text in capsys.readouterr().out.splitlines())


@pytest.fixture
def terminal(monkeypatch):
    """What a terminal would be sent beside the answers."""
    stream = io.StringIO()
    monkeypatch.setattr(progress, "remarks", Console(file=stream, force_terminal=True, width=80))
    monkeypatch.setattr(progress, "SECONDS", -1)
    return stream


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["sample", "-n", "3"], "3 of 3 answers"),
        (["impute", "a ___", "b ___", "-n", "2", "--sweeps", "2"], "of 4 answers"),
        (["interpolate", "a", "b", "--steps", "4"], "4 of 4 answers"),
        (["encode", "b.tsv"], "2 lines read"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_it_is_shown_how_far_a_command_came(call, terminal, command, shown):
    call(*command, "--out", "x.jsonl")
    assert shown in terminal.getvalue()


def test_it_is_shown_what_is_being_done(terminal):
    with progress.Bar(into_file=True):
        logging.getLogger("latentia.operations.some").info("draw %d of %d", 1, 2)
        logging.getLogger("latentia.operations.some").info("draw %d of %d", 2, 2)
    assert "draw 2 of 2" in terminal.getvalue()
    logging.getLogger("latentia.operations.some").info("later")
    assert "later" not in terminal.getvalue()


def test_refused_texts_are_told_apart_from_the_file(call, capsys, tmp_path):
    (tmp_path / "a.txt").write_text("a b\nzzz\nc\n")
    with pytest.raises(InputError, match="1 text got no answer"):
        call("encode", "a.txt", "--out", "codes.csv")
    assert len((tmp_path / "codes.csv").read_text().splitlines()) == 3
    assert "a.txt:2 holds no token" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["codes.npy", "codes.parquet"])
def test_what_encode_has_written_is_decoded(call, capsys, file):
    call("encode", "b.tsv", "--out", file)
    call("decode", file, "--strategy", "Greedy")
    decoded = capsys.readouterr().out
    call("reconstruct", "--data", "b.tsv", "--strategy", "Greedy")
    assert decoded == capsys.readouterr().out


def test_a_file_of_no_codes_is_refused(call):
    np.save("words.npy", np.array([["a"]]))
    np.save("one.npy", np.zeros((2, 1), dtype=np.float32))
    (Path.cwd() / "broken.parquet").write_text("no table")
    np.savez("several.npz", np.zeros((2, 2)))
    Path("several.npz").rename("several.npy")
    wrong = {"words.npy": "holds no codes", "several.npy": "holds no codes", "broken.parquet": "no codes"}
    for file, reason in {"c.txt": "is no .npy", **wrong}.items():
        with pytest.raises((InputError, DataError), match=reason):
            call("decode", file)
    with pytest.raises(InputError, match=r"the codes have shape \[2, 1\]"):
        call("decode", "one.npy")


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 74), (errno.EROFS, 74), (errno.ENOENT, 2)])
def test_a_disk_that_fails_has_an_exit_code_of_its_own(monkeypatch, number, code):
    def fails(**_: object) -> None:
        raise OSError(number, "fails")

    monkeypatch.setattr(cli, "app", fails)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
