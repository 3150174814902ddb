"""Corpora: what is stored comes back, whatever the chunks; the split depends on texts alone; damage is an error."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentia.data import BPE, Byte, Char, Columns, Corpus, Word, build_corpus, storage
from latentia.data.reading import Record
from latentia.errors import DataError, InputError, StorageError
from latentia.records import Batch
from latentia.shapes import EOS
from tests.chaos import arrow
from tests.disk import small_disk

LINES = ["the cat sat", "a dog", "the dog sat on the cat", "a", "the cat sat", "on the mat"]
WORDS = Word().train(LINES)
KINDS = {"word": WORDS, "char": Char().train(LINES), "byte": Byte().train(LINES), "bpe": BPE(280).train(LINES)}


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return path


def build(source, tmp_path, tokenizer=WORDS, **options):
    settings = {"columns": Columns(), "max_tokens": 100} | options
    return build_corpus([str(source)], tokenizer=tokenizer, path=tmp_path / "data" / "made.arrow", **settings)


@pytest.fixture(params=[1, 2, 4096])
def chunk(request, monkeypatch):
    monkeypatch.setattr(storage, "CHUNK_ROWS", request.param)


def test_a_full_disk_is_named_with_the_file_and_nothing_is_left(text_file, tmp_path):
    with small_disk(1000), pytest.raises(StorageError, match=r"made.arrow cannot be written .*: make room"):
        build(text_file, tmp_path)
    assert not list((tmp_path / "data").iterdir())


def test_a_leftover_that_cannot_be_removed_hides_nothing(text_file, tmp_path, monkeypatch):
    def fails(*_: object, **__: object) -> None:
        raise OSError("cannot be removed")

    monkeypatch.setattr(Path, "unlink", fails)
    assert len(build(text_file, tmp_path)[0]) == len(LINES)
    with small_disk(1000), pytest.raises(StorageError, match="make room"):
        build(text_file, tmp_path / "other")


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("name", KINDS)
def test_what_is_stored_comes_back(text_file, tmp_path, name):
    tokenizer = KINDS[name]
    corpus, report = build(text_file, tmp_path, tokenizer)
    assert [corpus.text(row) for row in range(len(corpus))] == LINES
    assert [corpus.tokens(row) for row in range(len(corpus))] == tokenizer.encode_batch(LINES)
    assert corpus.lengths.tolist() == [len(tokenizer.encode(line)) + 1 for line in LINES]
    assert corpus.words.tolist() == [len(line.split()) for line in LINES]
    assert corpus.text(-1) == LINES[-1]
    assert report.tokens == corpus.lengths.sum() - len(corpus)
    assert (len(corpus.labels), corpus.label_names) == (0, [])


@pytest.mark.usefixtures("chunk")
def test_a_batch_is_what_collating_gives(text_file, tmp_path):
    corpus, _ = build(text_file, tmp_path)
    rows = np.array([5, 0, 3, 0])
    batch, expected = corpus.batch(rows), Batch.collate([corpus.tokens(row) for row in rows])
    assert torch.equal(batch.tokens, expected.tokens)
    assert torch.equal(batch.lengths, expected.lengths)
    assert batch.tokens.dtype == batch.index.dtype == torch.int64
    assert (batch.equal_length, batch.token_count) == (False, expected.token_count)
    assert batch.index.tolist() == rows.tolist()
    assert corpus.batch(np.array([0, 4])).equal_length
    assert batch.tokens[2].tolist() == [*corpus.tokens(3), EOS, 0, 0]


@pytest.mark.usefixtures("chunk")
def test_labels_are_numbered_in_alphabetic_order_whatever_their_order(tmp_path):
    path = tmp_path / "data.tsv"
    path.write_text("text\tlabel\na\tred\nb\tblue\nc\tred\nd\tgreen\n")
    corpus, _ = build(path, tmp_path, columns=Columns(label="label"))
    assert corpus.label_names == ["blue", "green", "red"]
    assert corpus.labels.tolist() == [2, 0, 2, 1]
    assert corpus.batch(np.array([3, 1])).labels.tolist() == [1, 0]


def test_ids_take_two_bytes_while_they_fit(text_file, tmp_path):
    corpus, _ = build(text_file, tmp_path)
    assert corpus._columns.ids.dtype == np.uint16
    many = Word(0).train(f"w{number}" for number in range(70_000))
    path = tmp_path / "many.txt"
    path.write_text("w69999 w0\nw65000\n")
    corpus, _ = build(path, tmp_path, many)
    assert corpus._columns.ids.dtype == np.uint32
    assert [corpus.text(0), corpus.tokens(0)] == ["w69999 w0", many.encode("w69999 w0")]


def test_tokens_are_views_of_the_file(text_file, tmp_path):
    corpus, _ = build(text_file, tmp_path)
    assert not corpus._columns.ids.flags.owndata
    assert not corpus._columns.ids.flags.writeable


def test_over_long_sequences_are_left_out_and_counted(text_file, tmp_path):
    corpus, report = build(text_file, tmp_path, max_tokens=3)
    assert [corpus.text(row) for row in range(len(corpus))] == [line for line in LINES if len(line.split()) <= 3]
    assert (report.read, report.used, report.left_out) == (6, 5, {"over_long": 1})
    assert report.first == {"over_long": f"{text_file}:3"}


def test_over_long_sequences_are_cut_on_request(text_file, tmp_path):
    corpus, report = build(text_file, tmp_path, max_tokens=3, cut=True)
    assert (len(corpus), corpus.text(2), corpus.words[2], corpus.lengths[2]) == (6, "the dog sat", 3, 4)
    assert (report.used, report.cut, report.left_out) == (6, 1, {})
    assert "1 line cut to the longest length" in report.sentences()


def test_a_chunk_of_nothing_but_over_long_sequences_is_no_harm(text_file, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "CHUNK_ROWS", 1)
    corpus, _ = build(text_file, tmp_path, max_tokens=1)
    assert [corpus.text(row) for row in range(len(corpus))] == ["a"]


def test_too_few_sequences_are_an_error_and_leave_no_file(tmp_path):
    path = tmp_path / "one.txt"
    path.write_text("one line only\n\n")
    with pytest.raises(DataError, match=r"1 of 2 lines used; 1 line empty.*at least 2.*give at least 2 sequences"):
        build(path, tmp_path, minimum=2)
    assert list((tmp_path / "data").iterdir()) == []
    corpus, _ = build(path, tmp_path, minimum=1)
    assert len(corpus) == 1
    with pytest.raises(DataError, match=r"1 line longer than data\.max_tokens"):
        build(path, tmp_path, max_tokens=2, minimum=1)


def test_an_interrupted_writing_leaves_no_file(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "a"}\n')
    with pytest.raises(DataError, match="no column"):
        build(path, tmp_path, columns=Columns("body"))
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbage", "other"])
def test_a_damaged_file_is_an_error(text_file, tmp_path, damage):
    build(text_file, tmp_path)
    path = tmp_path / "data" / "made.arrow"
    whole = path.read_bytes()
    path.unlink()
    contents = {"empty": b"", "cut": whole[: len(whole) // 2], "garbage": bytes(4096), "other": b"ARROW1" * 99}
    if damage in contents:
        path.write_bytes(contents[damage])
    with pytest.raises(DataError, match=r"made\.arrow is no corpus file"):
        Corpus.open(path)


UNLIKE_THE_RUN = {"tokens beyond the vocabulary", "a row that is too long", "rows without words"}
"""What only the tokenizer and the settings of a run tell."""


@pytest.mark.parametrize("what", sorted(arrow.ALTERATIONS.keys() - UNLIKE_THE_RUN))
def test_a_file_of_a_stranger_is_an_error_before_it_is_used(text_file, tmp_path, what):
    build(text_file, tmp_path)
    path = tmp_path / "data" / "made.arrow"
    before = path.read_bytes()
    arrow.ALTERATIONS[what](path)
    assert path.read_bytes() != before
    with pytest.raises(DataError, match=r"made\.arrow is no corpus file"):
        Corpus.open(path)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_regular_file_is_not_waited_for(tmp_path, make):
    make(tmp_path / "made.arrow")
    with pytest.raises(DataError, match=r"made\.arrow is no corpus file \(not a regular file\)"):
        Corpus.open(tmp_path / "made.arrow")


def test_flipped_bits_of_a_corpus_are_errors_or_another_corpus(text_file, tmp_path):
    build(text_file, tmp_path)
    path = tmp_path / "data" / "made.arrow"
    whole = path.read_bytes()
    refused = 0
    for place in range(0, 8 * len(whole), 37):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        try:
            corpus = Corpus.open(path)
        except DataError:
            refused += 1
        else:
            assert corpus.texts(np.arange(len(corpus)))
            assert corpus.batch(np.arange(len(corpus))).tokens.max() <= max(corpus.largest_token, EOS)
    assert refused > 40


def test_few_texts_are_held_in_memory_in_their_order():
    corpus = Corpus.from_texts([" the cat ", "a dog"], WORDS)
    assert [corpus.text(0), corpus.text(1)] == ["the cat", "a dog"]
    assert corpus.batch(np.array([0, 1])).tokens.tolist() == [
        [*WORDS.encode("the cat"), EOS],
        [*WORDS.encode("a dog"), EOS],
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "no text"),
        (["a", " "], "text 2 is empty"),
        (["a\0"], "text 1 holds NUL"),
        (["\ud800"], "text 1 is not valid Unicode"),
    ],
)
def test_texts_that_cannot_be_used_are_errors(texts, message):
    with pytest.raises(InputError, match=message):
        Corpus.from_texts(texts, WORDS)


TEXTS = st.lists(st.text("abc ", min_size=1, max_size=4).filter(str.strip), min_size=2, max_size=40)


@given(texts=TEXTS, share=st.floats(0.01, 0.99), seed=st.integers(0, 9))
def test_the_split_depends_on_texts_alone(texts, share, seed):
    corpus = Corpus.from_texts(texts, KINDS["byte"])
    held = [corpus.text(row) for row in range(len(corpus))]
    if len(set(held)) == 1:
        with pytest.raises(DataError, match="same text"):
            corpus.split(share)
        return
    train, valid = corpus.split(share)
    assert sorted([*train, *valid]) == list(range(len(texts)))
    assert len(train) > 0
    assert len(valid) > 0
    sides = {held[row] for row in train}, {held[row] for row in valid}
    assert not sides[0] & sides[1]
    order = np.random.default_rng(seed).permutation(len(texts))
    shuffled = Corpus.from_texts([texts[row] for row in order], KINDS["byte"])
    assert {shuffled.text(row) for row in shuffled.split(share)[1]} == sides[1]


def test_the_split_has_about_the_share():
    corpus = Corpus.from_texts([f"text {number}" for number in range(4000)], KINDS["byte"])
    assert len(corpus.split(0.05)[1]) == pytest.approx(200, abs=5 * 14)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_a_share_that_leaves_a_side_empty_is_an_error(share):
    with pytest.raises(InputError, match="share"):
        Corpus.from_texts(["a", "b"], WORDS).split(share)


def test_memory_does_not_grow_with_the_corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "CHUNK_ROWS", 64)
    path = tmp_path / "long.txt"
    path.write_text("".join("the cat sat on the mat " * 50 + f"{number}\n" for number in range(1000)))
    tracemalloc.start()
    try:
        corpus, _ = build(path, tmp_path, max_tokens=400)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(corpus) == 1000
    # The ids alone would take 2.4 MB as lists.
    assert peak < 2**20


def test_the_account_is_plain_json(text_file, tmp_path):
    _, report = build(text_file, tmp_path)
    assert json.loads(json.dumps(vars(report)))["used"] == 6


@pytest.mark.parametrize("part", ["text", "label"])
def test_a_chunk_of_long_texts_or_labels_is_a_short_one(monkeypatch, part):
    monkeypatch.setattr(storage, "CHUNK_CHARACTERS", 100)
    records = [Record(**{"text": "a", "label": "b", "where": "", part: "c" * 60}) for _ in range(10)]
    assert [len(chunk) for chunk in storage._chunks(records)] == [2] * 5
