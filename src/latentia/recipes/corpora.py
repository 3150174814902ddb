"""The corpora of a run folder: built from its sources once, and again only to the same bytes."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from latentia.data import Columns, Corpus, Tokenizer, build_corpus
from latentia.durable import MANIFEST, entry_of, is_there, make_folder, read_manifest, stored, sync, write_atomically
from latentia.errors import DataError, RunError
from latentia.recipes.folders import require_corpus
from latentia.recipes.recipe import Data


@dataclass(frozen=True)
class Sources:
    """The data of a run: training and validation files, and the columns to read."""

    train: list[str]
    valid: list[str]
    columns: Columns

    def absolute(self) -> Sources:
        """Resolve file names, so that a run can be resumed from another folder.

        Raises:
            DataError: If a name is not valid Unicode: the record of the run could not hold it.
        """
        return Sources(_resolved(self.train), _resolved(self.valid), self.columns)


@dataclass(frozen=True)
class Corpora:
    """What a run trains on, and what it is measured on."""

    train: Corpus
    train_rows: np.ndarray
    valid: Corpus
    valid_rows: np.ndarray


def corpora_of(
    folder: Path, sources: Sources, tokenizer: Tokenizer, data: Data, tell: Callable[[str], None]
) -> Corpora:
    """Tokenise training and validation data into the run folder, or map what is there.

    Raises:
        RunError: If a file is altered, or is lost and the sources no longer give it.
        DataError: If the sources cannot be used, or a file is no corpus of this run.
        StorageError: If the disk does not take a corpus.
    """

    def corpus(name: str, files: list[str], minimum: int) -> Corpus:
        path = _path(folder, name)
        if is_there(path):
            require_corpus(folder, _name(name))
            return _opened(path, tokenizer, data)
        with _built(folder, name) as unfinished:
            _, report = build_corpus(files, sources.columns, tokenizer, unfinished, data.max_tokens, minimum)
            write_atomically(unfinished.with_suffix(".json"), json.dumps(asdict(report), indent=1).encode())
        tell(f"{name}: {'; '.join(report.sentences())}")
        return Corpus.open(path)

    train = corpus("train", sources.train, minimum=2)
    if sources.valid:
        valid = corpus("valid", sources.valid, minimum=1)
        return Corpora(train, np.arange(len(train)), valid, np.arange(len(valid)))
    train_rows, valid_rows = train.split(data.validation_share)
    tell(f"valid: {len(valid_rows):,} of these lines held out; --valid FILE takes others")
    return Corpora(train, train_rows, train, valid_rows)


def _opened(path: Path, tokenizer: Tokenizer, data: Data) -> Corpus:
    """Open a corpus that the run's own reading could have written.

    Raises:
        DataError: If it is no corpus, or one of another tokenizer, of longer texts, or of texts without words.
    """
    corpus = Corpus.open(path)
    found = {
        f"token {corpus.largest_token}": corpus.largest_token < tokenizer.vocabulary_size,
        f"a text of {corpus.lengths.max() - 1:,} tokens": corpus.lengths.max() - 1 <= data.max_tokens,
        "a text without words": corpus.words.min() > 0,
    }
    for what, fits in found.items():
        if not fits:
            raise DataError(
                f"{path} holds {what}, and is no corpus of this run", "remove it, and the data is read again"
            )
    return corpus


def lacks_corpora(folder: Path, sources: Sources) -> bool:
    """Tell whether a corpus would have to be built."""
    names = ("train", "valid") if sources.valid else ("train",)
    return not all(is_there(_path(folder, name)) for name in names)


@contextmanager
def _built(folder: Path, name: str) -> Iterator[Path]:
    """Take a corpus, written beside its place with its report, into it, if it is the one that the manifest knows.

    Raises:
        RunError: If it is another one; then the folder is as it was.
    """
    path = _path(folder, name)
    beside = folder / f".corpus.{secrets.token_hex(4)}.tmp"
    try:
        make_folder(beside)
        yield beside / path.name
        _require_known(folder, name, beside / path.name)
        make_folder(path.parent)
        with stored(path):
            for suffix in (".json", path.suffix):  # the corpus last: where it is, so is what was left out of it
                os.replace(beside / path.with_suffix(suffix).name, path.with_suffix(suffix))
        sync(path.parent)
    finally:
        with suppress(OSError):  # what cannot be removed now is there at the next start
            shutil.rmtree(beside)


def _require_known(folder: Path, name: str, built: Path) -> None:
    manifest = read_manifest(folder)
    if manifest is None or _name(name) not in manifest.files:
        return
    if not manifest.fits(_name(name), entry_of(np.memmap(built, mode="r").data)):
        raise RunError(
            f"{_path(folder, name)} is lost, and the data is no longer what {folder / MANIFEST} says",
            "restore the file from a copy, or the data that the run was begun with",
        )


def _name(name: str) -> str:
    return f"data/{name}.arrow"


def _path(folder: Path, name: str) -> Path:
    return folder / _name(name)


def _resolved(sources: Sequence[str]) -> list[str]:
    names = [str(Path(source).resolve()) if Path(source).exists() else source for source in sources]
    for name in names:
        if _is_no_text(name):
            raise DataError(f"{name!a} is a name that is not valid UTF-8", "rename the file, or the folder it is in")
    return names


def _is_no_text(name: str) -> bool:
    """Tell whether a name holds bytes that are no text, which Python keeps as lone surrogates."""
    return any("\ud800" <= each <= "\udfff" for each in name)
