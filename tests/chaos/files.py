"""Random files of every format, lines of other formats and of none among their own."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

ODD_BYTES = [b"", b" ", b"\t", b"\r", b"\0", b"a\0b", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbfa"]
ODD_BYTES += [b"x" * 300, b"y " * 400]
ODD_ROWS = [b"a", b"a b c", b"a b c", b'{"text": "a"}', b'{"text": "\\ud800"}', b"{", b'"a,b', b"a\tb", b"text"]
ODD_ROWS += [b'{"text": "a", "label": 1}', b'{"text": "b c", "label": ["x"]}', b"a b,x", b'"a\nb",y', b"text,label"]
ODD_TEXTS = ["a\u2028b", "a\x85b", "a\x0bb\x0c", "\u202eabc", "\U0001f468\u200d\U0001f467", "\xe9", "<eos>", "<pad> x"]
LINES = st.one_of(
    st.sampled_from([*ODD_BYTES, *ODD_ROWS, *(text.encode() for text in ODD_TEXTS)]),
    st.binary(max_size=12),
    st.text(max_size=12).map(lambda text: text.encode(errors="surrogatepass")),
)
FILES = st.one_of(
    st.lists(LINES, max_size=8).map(b"\n".join),
    st.lists(LINES, max_size=5).map(b"\r\n".join),
    st.lists(LINES, max_size=5).map(lambda lines: b"text\n" + b"\n".join(lines)),
    st.lists(LINES, max_size=5).map(lambda lines: b"text,label\na b,x\n" + b"\n".join(lines)),
    st.lists(LINES, max_size=5).map(lambda lines: b"text\tlabel\na b\tx\n" + b"\n".join(lines)),
    st.binary(max_size=60),
)
INTEGERS, NUMBERS = st.integers(-(2**63), 2**63 - 1), st.floats()
CELLS = st.one_of(st.sampled_from(["a", "a b c", "c", "", *ODD_TEXTS]), st.text(max_size=12))
BYTES = st.one_of(LINES, st.sampled_from([b"a b", b"c"]))
STRINGS = (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))
COLUMNS = {
    **dict.fromkeys(STRINGS, CELLS),
    pa.binary(): BYTES,
    pa.bool_(): st.booleans(),
    pa.int8(): st.integers(-128, 127),
    pa.int64(): INTEGERS,
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): st.floats(width=32),
    pa.float64(): NUMBERS,
    pa.dictionary(pa.int32(), pa.int64()): INTEGERS,
    pa.date32(): st.integers(-(2**31), 2**31 - 1),
    pa.timestamp("ms"): INTEGERS,
    pa.timestamp("us", tz="Nowhere/None"): INTEGERS,
    pa.timestamp("ns"): INTEGERS,
    pa.duration("s"): INTEGERS,
    pa.list_(pa.string()): st.lists(CELLS, max_size=3),
    pa.struct([("label", pa.string())]): CELLS.map(lambda cell: {"label": cell}),
    pa.null(): st.none(),
}
"""Types of a column of a table, and what may stand in it."""


@st.composite
def tables(draw: st.DrawFn, least: int = 0) -> bytes:
    """Return a Parquet file whose column of text is one most of the time, and whose labels are of any type."""
    rows = draw(st.integers(least, least + 12))
    text = draw(st.sampled_from([*STRINGS, *STRINGS, *STRINGS, *COLUMNS]))
    kinds = {"text": text, "label": draw(st.sampled_from([*STRINGS, *COLUMNS]))}
    columns = {name: draw(_columns(kind, rows)) for name, kind in kinds.items()}
    if draw(st.booleans()):
        del columns["label"]
    file = io.BytesIO()
    pq.write_table(
        pa.table(columns),
        file,
        row_group_size=draw(st.integers(1, 13)),
        use_dictionary=draw(st.booleans()),
        compression=draw(st.sampled_from(["none", "zstd", "snappy"])),
        store_schema=draw(st.booleans()),
    )
    return file.getvalue()


def _columns(kind: pa.DataType, rows: int) -> st.SearchStrategy[pa.Array]:
    """Columns of a type, with nulls; strings are sometimes no UTF-8, as Parquet allows."""
    cells = st.lists(st.one_of(COLUMNS[kind], COLUMNS[kind], st.none()), min_size=rows, max_size=rows)
    valid = cells.map(lambda values: pa.array(values, kind))
    if kind != pa.string():
        return valid
    raw = st.lists(st.one_of(BYTES, st.none()), min_size=rows, max_size=rows)
    return st.one_of(valid, raw.map(lambda values: pa.array(values, pa.binary()).view(pa.string())))


def _row(*cells: str) -> bytes:
    """Return a row of a table with commas, in the quotes that it needs."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue().encode(errors="surrogatepass")


OWN_LINES = {
    "txt": CELLS.map(lambda text: text.encode(errors="surrogatepass")),
    "jsonl": st.builds(lambda text, label: json.dumps({"text": text, "label": label}).encode(), CELLS, CELLS),
    "csv": st.builds(_row, CELLS, CELLS),
    "tsv": st.builds(lambda text, label: f"{text}\t{label}".encode(errors="surrogatepass"), CELLS, CELLS),
}
"""By format, lines of it."""

HEADERS = {"csv": [b"text,label"], "tsv": [b"text\tlabel"]}


def _of_lines(kind: str, least: int) -> st.SearchStrategy[bytes]:
    own = OWN_LINES[kind]
    lines = st.lists(st.one_of(own, own, own, LINES), min_size=least, max_size=least + 12)
    return lines.map(lambda lines: b"\n".join([*HEADERS.get(kind, []), *lines]))


SUFFIXES = ("txt", "txt", "jsonl", "csv", "tsv", "parquet", "txt.gz", "jsonl.gz")


def files_of(suffix: str, least: int = 0) -> st.SearchStrategy[tuple[bytes, str]]:
    """Files of one format, of so many lines at least, in which most are rows of it."""
    contents = tables(least) if suffix.startswith("parquet") else _of_lines(suffix.removesuffix(".gz"), least)
    return st.tuples(contents, st.just(suffix))


PAGES = b"y " * 2**19
"""A text of as many bytes as are read of a line, the last of them white space."""

LONG_LINES = {
    "txt": [PAGES, PAGES + b"y", b"\xff" * (2**20 + 1)],
    "jsonl": [b'{"text": "%s", "label": "x"}' % text for text in (PAGES[:-100], PAGES)],
    "csv": [b"%s,x" % PAGES, b'"%s",x' % PAGES[:131_072], b'"%sy",x' % PAGES[:131_072], b'"%s\n%s",x' % (PAGES, PAGES)],
    "tsv": [b"%s\tx" % text for text in (PAGES[:-100], PAGES)],
}
"""By format, lines and cells about as long as the longest that are read, and longer ones."""


@st.composite
def long_files(draw: st.DrawFn) -> tuple[bytes, str]:
    """Return a file one line of which is very long."""
    kind = draw(st.sampled_from([*LONG_LINES, "parquet"]))
    if kind == "parquet":
        file, texts = io.BytesIO(), ["a", PAGES.decode(), "a b", PAGES.decode() + "y", "c"]
        pq.write_table(pa.table({"text": texts, "label": [*"xyxyx"]}), file)
        return file.getvalue(), kind
    long, (before, after) = draw(st.sampled_from(LONG_LINES[kind])), draw(st.tuples(*[_of_own(kind)] * 2))
    return b"\n".join([*HEADERS.get(kind, []), *before, long, *after]), draw(st.sampled_from([kind, f"{kind}.gz"]))


def _of_own(kind: str) -> st.SearchStrategy[list[bytes]]:
    return st.lists(OWN_LINES[kind], max_size=4)


RARE = 257
"""One file in about so many has a very long line: each takes as long as a hundred others."""

USUAL = st.one_of(
    st.sampled_from([*OWN_LINES, "txt.gz", "jsonl.gz", "csv.gz", "tsv.gz"]).flatmap(files_of),
    st.tuples(FILES, st.sampled_from(SUFFIXES)),
    st.tuples(FILES, st.sampled_from(SUFFIXES)),
    st.tuples(tables(), st.sampled_from(["parquet", "parquet", "parquet.gz"])),
)
CASES = st.integers(1, RARE).flatmap(lambda number: long_files() if number == RARE // 2 else USUAL)

FLIPS = st.one_of(st.none(), st.none(), st.none(), st.floats(0, 1, exclude_max=True))
"""Where in a file one bit is flipped, as a share of its length."""


def flipped(content: bytes, place: float) -> bytes:
    """Flip a bit."""
    bits = bytearray(content)
    bit = int(place * 8 * len(bits))
    bits[bit // 8] ^= 1 << bit % 8
    return bytes(bits)
