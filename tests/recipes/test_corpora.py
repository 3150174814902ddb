"""Corpora of a run folder: one that the run's own reading could not have written is refused."""

from __future__ import annotations

import os

import pytest

from latentia.data import Columns, Word
from latentia.errors import DataError
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources, corpora_of
from tests.chaos import arrow

LINES = [f"a b {'c ' * (number % 3)}d{number % 5}" for number in range(40)]
TOKENIZER = Word().train(LINES)
DATA = load_recipe("default").data()


@pytest.fixture
def opened(tmp_path):
    """Build the corpora of a folder, and a function that opens them again."""
    (tmp_path / "texts.txt").write_text("\n".join(LINES))
    sources = Sources([str(tmp_path / "texts.txt")], [], Columns())

    def again():
        return corpora_of(tmp_path, sources, TOKENIZER, DATA, lambda _: None)

    again()
    return again


@pytest.mark.parametrize("what", sorted(arrow.ALTERATIONS))
def test_a_corpus_of_a_stranger_is_refused(opened, tmp_path, what):
    arrow.ALTERATIONS[what](tmp_path / "data" / "train.arrow")
    with pytest.raises(DataError, match=r"train\.arrow .*: remove it, and the data is read again"):
        opened()


def test_a_pipe_in_the_place_of_a_corpus_is_not_waited_for(opened, tmp_path):
    path = tmp_path / "data" / "train.arrow"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="not a regular file"):
        opened()


def test_a_corpus_that_is_removed_is_read_again(opened, tmp_path):
    arrow.ALTERATIONS["no row"](tmp_path / "data" / "train.arrow")
    (tmp_path / "data" / "train.arrow").unlink()
    assert len(opened().train) == len(LINES)
