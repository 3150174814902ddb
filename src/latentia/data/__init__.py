"""Corpora, tokenizers and batches."""

from latentia.data.batches import Batching, EqualLength, Mixed, TokenBudget
from latentia.data.corpus import Corpus, build_corpus
from latentia.data.grammar import Grammar, write_grammar
from latentia.data.loader import Loader, sequential
from latentia.data.pydoc import write_pydoc
from latentia.data.reading import read_texts
from latentia.data.report import ReadReport
from latentia.data.rows import Columns
from latentia.data.selection import Selection
from latentia.data.tokenizer import BPE, Byte, Char, Tokenizer, TokenizerKind, Word

__all__ = [
    "BPE",
    "Batching",
    "Byte",
    "Char",
    "Columns",
    "Corpus",
    "EqualLength",
    "Grammar",
    "Loader",
    "Mixed",
    "ReadReport",
    "Selection",
    "TokenBudget",
    "Tokenizer",
    "TokenizerKind",
    "Word",
    "build_corpus",
    "read_texts",
    "sequential",
    "write_grammar",
    "write_pydoc",
]
