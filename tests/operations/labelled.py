"""A small space that holds labelled training texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from latentia.data import Columns, Selection, Word, build_corpus
from latentia.models import TextModel
from latentia.operations import TextSpace
from tests.laws.tables import TEXTS, model

LABELS = ("cat", "dog")


def labelled_space(build: Callable[[int], TextModel] = model, labels: bool = True) -> TextSpace:
    """An untrained model beside sixteen texts, each with the label of its second word."""
    tokenizer = Word().train(TEXTS)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "texts.tsv"
        file.write_text("text\tlabel\n" + "".join(f"{text}\t{text.split()[1]}\n" for text in TEXTS))
        columns = Columns(label="label") if labels else Columns()
        corpus, _ = build_corpus([str(file)], columns, tokenizer, file.with_suffix(".arrow"), 12)
        rows = Selection.all_of(corpus)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = build(tokenizer.vocabulary_size).eval()
        for weight in (*built.encoder.parameters(), *built.decoder.parameters()):
            torch.nn.init.normal_(weight, std=0.5)
    return TextSpace(built, tokenizer, 12, lambda: rows)
