"""Corpora, tokenizers and batches."""

from latentia.data.batches import Batching, EqualLength, TokenBudget
from latentia.data.corpus import Corpus, build_corpus, read_texts
from latentia.data.loader import Loader, sequential
from latentia.data.reading import Columns
from latentia.data.report import ReadReport
from latentia.data.tokenizer import BPE, Byte, Char, Tokenizer, TokenizerKind, Word

__all__ = [
    "BPE",
    "Batching",
    "Byte",
    "Char",
    "Columns",
    "Corpus",
    "EqualLength",
    "Loader",
    "ReadReport",
    "TokenBudget",
    "Tokenizer",
    "TokenizerKind",
    "Word",
    "build_corpus",
    "read_texts",
    "sequential",
]
