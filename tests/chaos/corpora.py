"""Random corpora: through reading and one step each, and some through every command."""

from __future__ import annotations

import gzip
import io
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import latentia
from latentia.data import BPE, Byte, Char, Columns, Corpus, Loader, ReadReport, Word, build_corpus, read_texts
from latentia.data.batches import EqualLength
from latentia.errors import LatentiaError
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.measure import Texts, evaluate_run
from latentia.recipes.runs import start_run
from latentia.training.loop import _mix
from tests.chaos.report import Tally
from tests.chaos.training import QUIET, SMALL

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
def tables(draw: st.DrawFn) -> bytes:
    """Return a Parquet file whose column of text is one most of the time, and whose labels are of any type."""
    rows = draw(st.integers(0, 12))
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


SUFFIXES = ("txt", "txt", "jsonl", "csv", "tsv", "parquet", "txt.gz", "jsonl.gz")
QUIETLY = list(HealthCheck)
CASES = st.one_of(
    st.tuples(FILES, st.sampled_from(SUFFIXES)),
    st.tuples(FILES, st.sampled_from(SUFFIXES)),
    st.tuples(tables(), st.sampled_from(["parquet", "parquet", "parquet.gz"])),
)
KINDS = (Word(size=50), Char(), Byte(), BPE(size=270))


def tally(home: Path, count: int, whole: int, seed: int) -> Iterator[Tally]:
    """Read random files and take a step on each; take some through training, evaluation, sampling and export."""
    yield stepped(home, count, seed)
    yield commanded(home, whole, seed)


def stepped(home: Path, count: int, seed: int) -> Tally:
    """Read, tokenise, batch and make one update on each random file."""
    counts, used = Tally("random corpora, one step each"), [0]
    recipe = load_recipe("vae").with_settings(SMALL)

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(CASES, st.sampled_from(KINDS), st.sampled_from(["", "", "label"]))
    def each(case: tuple[bytes, str], kind: object, label: str) -> None:
        content, suffix = case
        path = _written(home, content, suffix)
        try:
            used[0] += _step(recipe, path, kind, home, Columns(label=label))
            counts.add("")
        except LatentiaError:
            counts.add("")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            counts.add(f"{suffix} {label} {content!r}: {type(error).__name__} {error}")

    each._hypothesis_internal_use_seed = seed
    each()
    counts.note = f"{used[0]:,} trained on, the others refused with a typed error"
    return counts


def _written(home: Path, content: bytes, suffix: str) -> Path:
    path = home / f"random.{suffix}"
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") and len(content) % 5 else content)
    return path


def _step(recipe: object, path: Path, kind: object, home: Path, columns: Columns) -> bool:
    """Take one file as far as it goes; tell whether it was trained on."""
    tokenizer = kind.train(read_texts([str(path)], columns))
    target = home / "random.arrow"
    target.unlink(missing_ok=True)
    corpus, report = build_corpus([str(path)], columns, tokenizer, target, max_tokens=40)
    _account(corpus, report)
    loader = Loader(corpus, EqualLength(), 8, 1, range_of(corpus))
    torch.manual_seed(_mix(1, 0))
    model, objective = recipe.model(tokenizer.vocabulary_size), recipe.objective()
    batch = next(iter(loader.epoch(0)))
    terms = objective(model(batch, kl_weight=1.0), 0)
    terms.loss.mean().backward()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    if not all(bool(torch.isfinite(each).all()) for each in (terms.loss, terms.bound, *gradients)):
        raise ArithmeticError("not finite")
    if isinstance(kind, Byte) and tokenizer.decode(corpus.tokens(0)) != corpus.text(0):
        raise ValueError("the text did not come back")
    return True


def range_of(corpus: Corpus) -> object:
    """All rows."""
    import numpy as np

    return np.arange(len(corpus))


def _account(corpus: Corpus, report: ReadReport) -> None:
    if report.read != report.used + sum(report.left_out.values()) or report.used != len(corpus):
        raise ValueError(
            f"{report.read} lines read, {report.used} used, {report.left_out} left out, {len(corpus)} there"
        )


def commanded(home: Path, count: int, seed: int) -> Tally:
    """Take random files through training, evaluation, sampling, export and opening again."""
    counts, generator, done = Tally("random corpora, every command"), random.Random(seed), 0
    for number in range(count):
        lines = [
            generator.choice([b"a b c", b"a b", b"c", "é ü".encode(), b"", b"\xff", b"x" * generator.randint(1, 99)])
        ]
        lines += [bytes(generator.choices(b'abc \n\r\t\0\xe2\xff{}",', k=generator.randint(0, 30))) for _ in range(12)]
        content = b"\n".join([*lines, *(f"w{n} v".encode() for n in range(generator.randint(0, 6)))])
        path = _written(home, content, generator.choice(SUFFIXES[:2]))
        try:
            done += _all_commands(home / f"commanded {number}", path)
            counts.add("")
        except LatentiaError:
            counts.add("")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            counts.add(f"{content!r}: {type(error).__name__} {error}")
    counts.note = f"{done} to the end, the others refused with a typed error"
    return counts


def _all_commands(folder: Path, path: Path) -> bool:
    recipe = load_recipe("vae").with_settings([*SMALL, ("training.max_steps", 2)])
    try:
        start_run(Sources([str(path)], [], Columns()), recipe, folder / "run", 1, QUIET)
        evaluate_run(folder / "run", Texts([str(path)]), 2, 0, QUIET)
        space = latentia.load(folder / "run")
        list(space.sample(2, seed=0))
        space.save_pretrained(folder / "out")
        latentia.load(folder / "out")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True
