"""Random corpora: through reading and one step each, and some through every command."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentia.data import (
    BPE,
    Byte,
    Char,
    Columns,
    Corpus,
    Loader,
    Tokenizer,
    TokenizerKind,
    Word,
    build_corpus,
    read_texts,
)
from latentia.data.batches import EqualLength
from latentia.errors import DataError
from latentia.recipes import Recipe, load_recipe
from latentia.training.loop import _mix
from tests.chaos.commands import commanded
from tests.chaos.evidence import opened
from tests.chaos.files import CASES, FLIPS, flipped
from tests.chaos.ledger import Ledger, ledger
from tests.chaos.report import Tally
from tests.chaos.training import SMALL
from tests.chaos.tries import tried

KINDS = (Word(size=50), Char(), Byte(), BPE(size=270))
MOST = 40
"""Tokens of the longest text that is used."""

SHOWN = 4096
"""Bytes of a file that are told, where something is wrong with it."""


def tally(home: Path, count: int, whole: int, seed: int) -> Iterator[Tally]:
    """Read random files and take a step on each; take some through all commands."""
    yield stepped(home, count, seed)
    yield commanded(home, whole, seed)


def stepped(home: Path, count: int, seed: int, cases: st.SearchStrategy[tuple[bytes, str]] = CASES) -> Tally:
    """Read, tokenise, batch and make one update on each random file, and compare the account of its lines."""
    counts, used, bits = Tally("random corpora, one step each", count), [0], [0]
    recipe = load_recipe("vae").with_settings(SMALL)

    @tried(count)
    @given(cases, st.sampled_from(KINDS), st.sampled_from(["", "", "label"]), FLIPS)
    def each(case: tuple[bytes, str], kind: object, label: str, flip: float | None) -> None:
        content, suffix = case
        path = _written(home, content, suffix)
        whole = path.read_bytes()
        if flip is not None and whole and suffix.endswith(("gz", "parquet")):
            path.write_bytes(flipped(whole, flip))
        damaged = path.read_bytes() != whole
        bits[0] += damaged
        expected = replace(ledger(path.read_bytes(), suffix, label), damaged=damaged)
        with opened() as met:
            wrong = _tried(recipe, path, kind, Columns(label=label), expected, used, met)
        counts.add(wrong and f"{wrong}: {suffix} {label} {flip} {content[:SHOWN]!r}", fired=str(path) in met)

    each._hypothesis_internal_use_seed = seed
    each()
    counts.note = f"{used[0]:,} trained on, the others refused with a typed error; every line counted twice"
    counts.note += f"; one bit flipped in {bits[0]:,}"
    return counts


def _written(home: Path, content: bytes, suffix: str) -> Path:
    path = home / f"random.{suffix}"
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") and len(content) % 5 else content)
    return path


def _tried(*arguments: Any) -> str:
    try:
        return _step(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return f"{type(error).__name__} {error}"


def _step(
    recipe: Recipe,
    path: Path,
    kind: TokenizerKind,
    columns: Columns,
    expected: Ledger,
    used: list[int],
    met: set[str],
) -> str:
    """Take one file as far as it goes; say where the account of its lines is wrong."""
    target = path.parent / "random.arrow"
    target.unlink(missing_ok=True)
    try:
        tokenizer = kind.train(read_texts([str(path)], columns))
        expected = expected.cut_to(tokenizer, MOST)
        corpus, report = build_corpus([str(path)], columns, tokenizer, target, max_tokens=MOST)
    except DataError as error:
        if str(path) in str(error):
            met.add(str(path))  # by name or by length alone
        usable = len(expected.texts) if not expected.damaged else 0
        return f"refused with {usable} usable texts: {error}" if usable else ""
    if wrong := expected.difference(corpus, report):
        return wrong
    used[0] += 1
    return _updated(recipe, corpus, tokenizer) or _lost(corpus, tokenizer, kind)


def _updated(recipe: Recipe, corpus: Corpus, tokenizer: Tokenizer) -> str:
    """Make one update; say what is not finite."""
    loader = Loader(corpus, EqualLength(), 8, 1, np.arange(len(corpus)))
    torch.manual_seed(_mix(1, 0))
    model, objective = recipe.model(tokenizer.vocabulary_size), recipe.objective()
    batch = next(iter(loader.epoch(0)))
    terms = objective(model(batch, kl_weight=1.0), 0)
    terms.loss.mean().backward()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    finite = all(bool(torch.isfinite(each).all()) for each in (terms.loss, terms.bound, *gradients))
    return "" if finite else "a cost or a gradient is not finite"


def _lost(corpus: Corpus, tokenizer: Tokenizer, kind: TokenizerKind) -> str:
    """Say whether bytes do not become the text again."""
    whole = not isinstance(kind, Byte) or tokenizer.decode(corpus.tokens(0)) == corpus.text(0)
    return "" if whole else "the text did not come back"
