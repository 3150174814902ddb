"""Reading: every line is used or counted, every bad source is an error that says what to do, and memory stays flat."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentia.data import Columns, ReadReport, columnar, read_texts
from latentia.data import sources as sources_module
from latentia.data.columnar import parse_hub_name
from latentia.data.reading import read_records
from latentia.data.report import MAX_LINE_BYTES
from latentia.data.sources import identify
from latentia.errors import DataError

ROWS = [("good food", "positive"), ("bad, very bad", "negative"), ("naïve café", "positive")]
TEXTS = [text for text, _ in ROWS]


def read(*paths, columns=None):
    """Read everything; return the records and the account."""
    report = ReadReport()
    records = list(read_records([str(path) for path in paths], columns or Columns(), report))
    assert report.read == report.used + sum(report.left_out.values())
    assert report.used == len(records)
    return records, report


def as_txt(rows):
    return "".join(f"{text}\n" for text, _ in rows).encode()


def as_jsonl(rows):
    return "".join(json.dumps({"id": 7, "text": text, "label": label}) + "\n" for text, label in rows).encode()


def as_csv(rows):
    written = io.StringIO()
    csv.writer(written).writerows([("label", "text"), *((label, text) for text, label in rows)])
    return written.getvalue().encode()


def as_tsv(rows):
    return "".join(f"{label}\t{text}\n" for text, label in [("text", "label"), *rows]).encode()


def as_parquet(rows):
    written = io.BytesIO()
    pq.write_table(pa.table({"text": [text for text, _ in rows], "label": [label for _, label in rows]}), written)
    return written.getvalue()


FORMATS = {"txt": as_txt, "jsonl": as_jsonl, "csv": as_csv, "tsv": as_tsv, "parquet": as_parquet}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_texts_and_labels(tmp_path, suffix, compressed):
    data = FORMATS[suffix](ROWS)
    path = tmp_path / (f"data.{suffix}.gz" if compressed else f"data.{suffix.upper()}")
    path.write_bytes(gzip.compress(data) if compressed else data)
    columns = Columns() if suffix == "txt" else Columns(label="label")
    records, report = read(path, columns=columns)
    assert [record.text for record in records] == TEXTS
    if suffix != "txt":
        assert [record.label for record in records] == [label for _, label in ROWS]
    assert (report.read, report.used, report.left_out) == (3, 3, {})


def test_several_files_are_read_in_order_and_places_name_their_file(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    (tmp_path / "b.jsonl").write_text('{"text": "three"}\n')
    records, report = read(tmp_path / "a.txt", tmp_path / "b.jsonl")
    assert [record.text for record in records] == ["one", "two", "three"]
    assert [record.where.rpartition("/")[2] for record in records] == ["a.txt:1", "a.txt:3", "b.jsonl:1"]
    assert report.first == {"empty": f"{tmp_path}/a.txt:2"}
    assert list(read_texts([str(tmp_path / "a.txt")], Columns())) == ["one", "two"]


# Each row: what is in the file beside one good line, and what it is counted as; none of it may be an error.
BAD_LINES = {
    "blank": ("txt", b"\n", "empty"),
    "white space": ("txt", " \t\u2003\r\n".encode(), "empty"),
    "latin-1": ("txt", b"caf\xe9\n", "invalid_utf8"),
    "overlong form": ("txt", b"\xc0\xaf\n", "invalid_utf8"),
    "surrogate bytes": ("txt", b"\xed\xa0\x80\n", "invalid_utf8"),
    "NUL": ("txt", b"a\0b\n", "nul"),
    "megabyte": ("txt", b"x" * (MAX_LINE_BYTES + 1) + b"\n", "over_long"),
    "megabytes": ("txt", b"x " * (3 * MAX_LINE_BYTES) + b"\n", "over_long"),
    "broken JSON": ("jsonl", b'{"text": \n', "malformed"),
    "JSON list": ("jsonl", b'["text"]\n', "malformed"),
    "JSON number": ("jsonl", b'{"text": 7}\n', "malformed"),
    "JSON null": ("jsonl", b'{"text": null}\n', "malformed"),
    "no text": ("jsonl", b'{"other": "a"}\n', "malformed"),
    "deep JSON": ("jsonl", b"[" * 100_000 + b"\n", "malformed"),
    "huge integer": ("jsonl", b'{"text": ' + b"9" * 5000 + b"}\n", "malformed"),
    "JSON surrogate": ("jsonl", b'{"text": "\\ud800"}\n', "invalid_utf8"),
    "JSON NUL": ("jsonl", b'{"text": "a\\u0000b"}\n', "nul"),
    "JSON latin-1": ("jsonl", b'{"text": "caf\xe9"}\n', "invalid_utf8"),
    "JSON blank": ("jsonl", b"  \n", "empty"),
    "JSON empty": ("jsonl", b'{"text": " "}\n', "empty"),
    "few cells": ("csv", b"x\n", "malformed"),
    "many cells": ("csv", b"x,y,z\n", "malformed"),
    "stray quote": ("csv", b'"x" y,z\n', "malformed"),
    "lone CR": ("csv", b"x\ry,z\n", "malformed"),
    "blank row": ("csv", b"\n", "empty"),
    "empty cell": ("csv", b"x,\n", "empty"),
    "cell too long": ("csv", b"x," + b"y" * 140_000 + b"\n", "over_long"),
    "row too long": ("csv", b"x," + b"y" * 2_000_000 + b"\n", "over_long"),
    "CSV latin-1": ("csv", b"x,caf\xe9\n", "invalid_utf8"),
    "CSV NUL": ("csv", b"x,a\0b\n", "nul"),
    "few tabs": ("tsv", b"x\n", "malformed"),
    "many tabs": ("tsv", b"x\ty\tz\n", "malformed"),
    "blank line": ("tsv", b"\n", "empty"),
}
GOOD = {
    "txt": (b"", b"good one\n"),
    "jsonl": (b'{"text": "good one"}\n', b""),
    "csv": (b"label,text\n", b"x,good one\n"),
    "tsv": (b"label\ttext\n", b"x\tgood one\n"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_is_counted_with_its_place_and_the_next_is_read(tmp_path, case):
    suffix, line, kind = BAD_LINES[case]
    head, tail = GOOD[suffix]
    path = tmp_path / f"data.{suffix}"
    path.write_bytes(head + line + tail)
    records, report = read(path)
    assert [record.text for record in records] == ["good one"]
    assert report.left_out == {kind: 1}
    assert report.first == {kind: f"{path}:{2 if head else 1}"}
    assert any(f"{path}:" in sentence for sentence in report.sentences())


@pytest.mark.parametrize("label", ["null", '""', "[1]", "{}", "NaN", '"a\\u0000"'])
def test_a_row_without_a_usable_label_is_malformed(tmp_path, label):
    path = tmp_path / "data.jsonl"
    path.write_text(f'{{"text": "a", "label": 1}}\n{{"text": "b", "label": {label}}}\n')
    records, report = read(path, columns=Columns(label="label"))
    assert [(record.text, record.label) for record in records] == [("a", "1")]
    assert report.left_out == {"malformed": 1}


def test_an_unclosed_quote_loses_its_own_row_and_is_counted(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text('text\ngood one\n"never closed\nmore\n')
    records, report = read(path)
    assert [record.text for record in records] == ["good one"]
    assert report.left_out == {"malformed": 2}


@pytest.mark.parametrize(
    ("lines", "used", "left_out"),
    [
        ([b'"never closed', *[b"good line"] * 20_000], 6_894, {"over_long": 1, "malformed": 13_106}),
        ([b'"never closed', b"good", b'good "x" y', b"good"], 1, {"malformed": 3}),
        ([b'"joined', b'with",two cells', b"good"], 1, {"malformed": 2}),
        ([b"good", b'"broken', b"z" * 2**21, b"good", b"good"], 1, {"over_long": 1, "malformed": 3}),
        ([b"z" * 2**21, b'"two', b'lines"', b"good", b"z" * 2**21], 2, {"over_long": 2}),
    ],
)
def test_every_line_that_a_stray_quote_joins_is_counted(tmp_path, lines, used, left_out):
    path = tmp_path / "data.csv"
    path.write_bytes(b"text\n" + b"".join(line + b"\n" for line in lines))
    records, report = read(path)
    assert (len(records), report.left_out) == (used, left_out)
    assert report.read == used + sum(left_out.values())


def test_a_quoted_cell_may_hold_a_line_break(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b'text\r\n"two\r\nlines, one ""text"""\r\nnext\r\n')
    assert [record.text for record in read(path)[0]] == ['two lines, one "text"', "next"]


def test_quotes_are_characters_in_tab_separated_files(tmp_path):
    path = tmp_path / "data.tsv"
    path.write_text('text\n"so it goes\nand on"\n')
    assert [record.text for record in read(path)[0]] == ['"so it goes', 'and on"']


def test_only_line_feeds_end_lines_and_a_byte_order_mark_is_dropped(tmp_path):
    path = tmp_path / "data.txt"
    path.write_bytes("\ufeffa\u2028b\x0bc\x85d\r\nlast".encode())
    assert [record.text for record in read(path)[0]] == ["a\u2028b\x0bc\x85d", "last"]


def test_reserved_words_are_noted_and_used(tmp_path):
    path = tmp_path / "data.txt"
    path.write_text("a <eos> b\n<unk> is fine\n<pad>\n< eos >\n")
    records, report = read(path)
    assert (len(records), report.reserved_words) == (4, 2)


def test_null_and_undecodable_cells_of_parquet_are_counted(tmp_path):
    bad = pa.array([b"fine", b"caf\xe9", b"a\0b", None], pa.binary())
    text = pa.StringArray.from_buffers(4, bad.buffers()[1], bad.buffers()[2], bad.buffers()[0])
    pq.write_table(pa.table({"text": text}), tmp_path / "data.parquet")
    records, report = read(tmp_path / "data.parquet")
    assert [record.text for record in records] == ["fine"]
    assert report.left_out == {"invalid_utf8": 1, "nul": 1, "malformed": 1}


def test_integer_labels_and_dictionary_texts_of_parquet_are_read(tmp_path):
    text = pa.array(["a", "b", "a"]).dictionary_encode()
    pq.write_table(pa.table({"body": text, "stars": [5, 1, 5]}), tmp_path / "data.parquet")
    records, _ = read(tmp_path / "data.parquet", columns=Columns("body", "stars"))
    assert [(record.text, record.label) for record in records] == [("a", "5"), ("b", "1"), ("a", "5")]


def test_a_parquet_file_of_many_row_groups_is_read_in_order(tmp_path):
    texts = [f"line {number}" for number in range(10_000)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "data.parquet", row_group_size=777)
    records, _ = read(tmp_path / "data.parquet")
    assert [record.text for record in records] == texts
    assert records[-1].where.endswith(":10000")


# Each row: a file's name and bytes, the label column, and what the error must say.
BAD_FILES = {
    "empty": ("a.txt", b"", "", r"a\.txt is empty.*one sequence a line"),
    "empty gz": ("a.txt.gz", gzip.compress(b""), "", "is empty"),
    "blank only": ("a.txt", b"\n\n", "", r"0 of 2 lines used; 2 lines empty.*a\.txt:1"),
    "header only": ("a.csv", b"text,label\n", "", "is empty"),
    "no objects": ("a.jsonl", b"1\n2\n", "", "0 of 2 lines used; 2 lines malformed"),
    "missing column": (
        "a.csv",
        b"body,stars\nx,1\n",
        "",
        r"no column 'text' \(it has 'body', 'stars'\).*--text COLUMN",
    ),
    "missing key": ("a.jsonl", b'{"body": "x"}\n', "", r"no column 'text' \(it has 'body'\).*--text COLUMN"),
    "missing label": ("a.tsv", b"text\nx\n", "kind", r"no column 'kind' \(it has 'text'\).*--label COLUMN"),
    "double column": ("a.csv", b"text,text\nx,y\n", "", "more than one column 'text'"),
    "label in text": ("a.txt", b"x\n", "kind", r"no column 'kind': give labels in a .tsv"),
    "missing in parquet": ("a.parquet", as_parquet(ROWS), "kind", r"no column 'kind' \(it has 'text', 'label'\)"),
    "not parquet": ("a.parquet", b"text\nx\n", "", "not a readable Parquet file"),
    "not gzip": ("a.txt.gz", b"plain\n", "", "damaged gzip"),
    "cut gzip": ("a.txt.gz", gzip.compress(b"one line\n" * 999)[:-9], "", "damaged gzip"),
    "flipped gzip": ("a.txt.gz", gzip.compress(b"one line\n")[:-6] + b"\0" * 6, "", "damaged gzip"),
    "unknown": ("a.doc", b"x\n", "", r"no known format.*\.jsonl"),
    "no suffix": ("a", b"x\n", "", "no known format"),
    "broken header": ("a.csv", b'"te"xt,b\nx,y\n', "", "header"),
    "escape codes": ("a.csv", b"\x1b[31mred,b\nx,y\n", "", r"'\\x1b\[31mred'"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_an_error_that_names_it_and_the_remedy(tmp_path, case):
    name, data, label, message = BAD_FILES[case]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / name, columns=Columns(label=label))
    assert name in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parquet_text_of_another_type_is_an_error(tmp_path):
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"'text' of .* holds int64, not text.*--text"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    "label",
    [
        pa.array([10**15] * 2, pa.timestamp("s")),
        pa.array([1] * 2, pa.timestamp("s", tz="Nowhere/None")),
        pa.array([2**31 - 1] * 2, pa.date32()),
        pa.array([2**62] * 2, pa.duration("s")),
        pa.array([["a"]] * 2),
        pa.array([{"a": "b"}] * 2),
        pa.array([b"a"] * 2),
        pa.nulls(2),
    ],
    ids=lambda label: str(label.type),
)
def test_parquet_labels_that_name_no_class_are_an_error(tmp_path, label):
    pq.write_table(pa.table({"text": ["a", "b"], "label": label}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"column 'label' of .* holds .*, not a class: .*--label"):
        read(tmp_path / "a.parquet", columns=Columns(label="label"))


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_parquet_texts_and_labels_of_every_kind_of_string_are_read(tmp_path, kind):
    texts, labels = pa.array(["a", None, "a", "c"]).cast(kind), pa.array(["x", "y", "y", None]).cast(kind)
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "a.parquet")
    records, report = read(tmp_path / "a.parquet", columns=Columns(label="label"))
    assert [(record.text, record.label) for record in records] == [("a", "x"), ("a", "y")]
    assert report.left_out == {"malformed": 2}


def test_parquet_labels_that_are_not_utf8_are_counted(tmp_path):
    labels = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"x"]).buffers())
    pq.write_table(pa.table({"text": ["a", "b"], "label": labels}), tmp_path / "a.parquet")
    records, report = read(tmp_path / "a.parquet", columns=Columns(label="label"))
    assert [record.label for record in records] == ["x"]
    assert report.left_out == {"malformed": 1}


def test_what_is_no_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"gone\.txt does not exist"):
        read(tmp_path / "gone.txt")
    with pytest.raises(DataError, match="is a folder"):
        read(tmp_path)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(DataError, match="not a regular file"):
        read(tmp_path / "pipe.txt")


def test_a_row_of_several_lines_is_named_by_its_first(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'text\n"two\nlines"\none\n"bad" x\n"never\nclosed\n')
    records, report = read(tmp_path / "a.csv")
    assert [record.where.rpartition(":")[2] for record in records] == ["2", "4"]
    assert report.left_out == {"malformed": 3}
    assert report.first["malformed"].endswith(":5")


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize(("excess", "used"), [(0, 1), (1, 0), (2, 0)])
def test_the_limit_of_a_line_counts_its_text_alone(tmp_path, ending, excess, used):
    (tmp_path / "a.txt").write_bytes(b"short one\n" + b"x" * (MAX_LINE_BYTES + excess) + ending)
    records, report = read(tmp_path / "a.txt")
    assert (len(records) - 1, report.left_out) == (used, {} if used else {"over_long": 1})


def test_a_column_that_expands_a_thousandfold_is_refused_unread(tmp_path):
    path = str(tmp_path / "bomb.parquet")
    same = pa.table({"text": ["a" * 2**24], "other": ["b"]})
    pq.write_table(same, path, compression="zstd", use_dictionary=False)
    with pytest.raises(DataError, match=r"bomb.parquet expands to more than 200 times its size"):
        read(path)
    (record,), _ = read(path, columns=Columns(text="other"))
    assert record.text == "b"


def peak_of(function):
    """Peak of what is held at a time, in bytes."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def repeated(path, column, rows, *, categorical=False):
    """Write a table in which every row has the same long value, which stands there once."""
    places, values = pa.array([0] * rows, pa.int32()), pa.array(["a b " * 225_000])
    long = pa.DictionaryArray.from_arrays(places, values)
    others = {name: ["x"] * rows for name in ("text", "label") if name != column}
    pq.write_table(pa.table({column: long, **others}), path, store_schema=categorical)


def held_while_reading(path, columns):
    """Most bytes that Arrow and Python hold at a time."""
    before, held = pa.total_allocated_bytes(), []
    rows = columnar.read_parquet(identify(str(path)), columns, 2**20)
    peak = peak_of(lambda: held.extend(pa.total_allocated_bytes() for _ in rows))
    return max(held) - before + peak


@pytest.mark.parametrize("column", ["text", "label"])
@pytest.mark.parametrize("categorical", [False, True])
def test_a_value_that_many_rows_share_takes_no_memory_for_each(tmp_path, monkeypatch, column, categorical):
    repeated(tmp_path / "a.parquet", column, 400, categorical=categorical)
    monkeypatch.setattr(columnar, "_within", lambda rows, *_: rows)
    assert held_while_reading(tmp_path / "a.parquet", Columns(label="label")) < 40 * 2**20


@pytest.mark.parametrize("column", ["text", "label"])
def test_rows_that_repeat_a_value_a_thousandfold_are_refused(tmp_path, column):
    repeated(tmp_path / "a.parquet", column, 4096)
    with pytest.raises(DataError, match=r"a.parquet expands to more than 200 times its size"):
        read(tmp_path / "a.parquet", columns=Columns(label="label"))


def test_long_rows_are_read_a_few_at_a_time(tmp_path):
    texts = [f"{number} " * 40_000 for number in range(1000, 1300)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", use_dictionary=False, write_batch_size=1)
    assert held_while_reading(tmp_path / "a.parquet", Columns()) < 30 * 2**20


@pytest.mark.parametrize("ending", [b"", b"\n"])
def test_a_gzip_bomb_is_refused(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(sources_module, "EXPANSION_FREE", 2**22)
    bomb = gzip.compress(bytes(2**25) + ending)
    (tmp_path / "bomb.txt.gz").write_bytes(bomb)
    with pytest.raises(DataError, match="expands to more than 200 times"):
        read(tmp_path / "bomb.txt.gz")


def test_what_expands_to_a_few_megabytes_is_read_however_small_it_was(tmp_path):
    lines = (b"a" * 1023 + b"\n") * 2**11
    packed = gzip.compress(lines)
    assert len(lines) == sources_module.EXPANSION_FREE > 2 * sources_module.EXPANSION_RATIO * len(packed)
    (tmp_path / "a.txt.gz").write_bytes(packed)
    assert len(read(tmp_path / "a.txt.gz")[0]) == 2**11
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(lines + b"b\n"))
    with pytest.raises(DataError, match="expands to more than 200 times"):
        read(tmp_path / "a.txt.gz")


def test_all_members_of_a_gzip_file_are_read(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(b"".join(gzip.compress(f"{n}\n".encode()) for n in range(50)))
    assert len(read(tmp_path / "a.txt.gz")[0]) == 50


@pytest.mark.parametrize("suffix", ["txt", "jsonl", "csv", "tsv"])
def test_memory_does_not_grow_with_the_file(tmp_path, suffix):
    rows = [(f"{number} " * 400, "x") for number in range(1000, 2000)]
    path = tmp_path / f"data.{suffix}"
    path.write_bytes(FORMATS[suffix](rows))
    peak = peak_of(lambda: sum(1 for _ in read_texts([str(path)], Columns())))
    assert peak < 2**18 < path.stat().st_size / 7


def test_memory_does_not_grow_with_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sources_module, "EXPANSION_FREE", 2**30)
    path = tmp_path / "data.txt.gz"
    path.write_bytes(gzip.compress(b"good one\n" + b"x" * (40 * 2**20) + b"\nlast one\n"))
    assert peak_of(lambda: list(read_texts([str(path)], Columns()))) < 12 * 2**20


PIECES = st.sampled_from(
    [
        *(b"", b" ", b"a", b"word word", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\r", b"\r\n"),
        *(b"<eos>", b'"', b",", b"\t", b"{", b"}", b'{"text": "x"}'),
        *("\ufeff".encode(), "\u2028\x85".encode(), "שלום \u202e".encode(), "👩\u200d🚀".encode()),
    ]
)
CONTENTS = st.lists(PIECES | st.binary(max_size=12), max_size=25).map(b"\n".join)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENTS, suffix=st.sampled_from(["txt", "jsonl", "csv", "tsv"]))
def test_any_bytes_are_accounted_for_or_a_typed_error(tmp_path, content, suffix):
    path = tmp_path / f"any.{suffix}"
    head = {"csv": b"text\n", "tsv": b"text\n"}.get(suffix, b"")
    path.write_bytes(head + content)
    report = ReadReport()
    try:
        texts = [record.text for record in read_records([str(path)], Columns(), report)]
    except DataError:
        assert report.used == 0
        return
    assert report.read == report.used + sum(report.left_out.values())
    assert len(texts) == report.used
    assert all(text == text.strip() != "" and "\0" not in text and "\n" not in text for text in texts)
    if suffix == "txt":
        assert report.read == content.count(b"\n") + (not content.endswith(b"\n") and content != b"")


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("hf:owner/name", ("owner/name", "", "train")),
        ("hf:name:validation", ("name", "", "validation")),
        ("hf:name:english", ("name", "english", "train")),
        ("hf:name:english:test", ("name", "english", "test")),
        ("hf:name::unusual", ("name", "", "unusual")),
    ],
)
def test_names_of_datasets_are_parsed(name, parsed):
    assert parse_hub_name(name) == parsed


@pytest.mark.parametrize("name", ["hf:", "hf:a:b:c:d"])
def test_bad_names_of_datasets_are_errors(name):
    with pytest.raises(DataError, match="hf:NAME"):
        parse_hub_name(name)


def test_a_dataset_is_streamed_by_the_real_library(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(as_jsonl(ROWS))
    (folder / "test.jsonl").write_bytes(as_jsonl(ROWS[:1]))
    records, report = read(f"hf:{folder}:test", columns=Columns(label="label"))
    assert [(record.text, record.label) for record in records] == ROWS[:1]
    assert len(read(f"hf:{folder}")[0]) == 3
    with pytest.raises(DataError, match=r"no column 'body' \(it has .*'text'"):
        read(f"hf:{folder}", columns=Columns("body"))
    with pytest.raises(DataError, match="cannot be read"):
        read(f"hf:{folder}::nonsense")
    assert report.used == 1


def test_classes_of_a_dataset_are_named(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    stream = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features).to_iterable_dataset()
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: stream)
    records, _ = read("owner/name", columns=Columns(label="label"))
    assert [record.label for record in records] == ["good", "bad"]


def test_a_dataset_without_its_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"latentia\[hf\]"):
        read("owner/name")


FLIPPED = """
import sys
from pathlib import Path
from latentia.data import Columns, read_texts
from latentia.errors import DataError

path, stride = Path(sys.argv[1]), int(sys.argv[2])
whole, refused = path.read_bytes(), 0
for place in range(0, 8 * len(whole), stride):
    content = bytearray(whole)
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)
    try:
        list(read_texts([str(path)], Columns(label="label")))
    except DataError as error:
        assert str(path) in str(error)
        refused += 1
print(refused)
"""
"""In a process of its own: the fault would end the process."""


def test_flipped_bits_of_a_parquet_file_are_errors_or_another_text(tmp_path):
    columns = {"text": ["a b", "c", None], "label": ["x", "y", "x"], "other": [1, 2, 3], "share": [0.5, None, 1.0]}
    pq.write_table(pa.table(columns), tmp_path / "flipped.parquet")
    command = [sys.executable, "-c", FLIPPED, str(tmp_path / "flipped.parquet"), "11"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    assert int(done.stdout) > 100
