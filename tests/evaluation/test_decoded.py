"""What an evaluation decodes, on a model that remembers every sequence and on small runs of both kinds of space."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

from latentia.auxiliaries import Nothing, Unmasked
from latentia.data import Columns, Corpus, Selection
from latentia.data.tokenizer import Word
from latentia.decoders import Decoder
from latentia.distributions import DiagonalGaussian
from latentia.encoders import Encoder, Unrefined
from latentia.errors import DataError
from latentia.evaluation import KneserNey, Subject
from latentia.evaluation.decoded import decodings, measure_decoded
from latentia.evaluation.table import rows_of_table
from latentia.evaluation.text import perplexity_under
from latentia.models import TextVAE
from latentia.priors import Prior
from latentia.recipes import load_recipe
from latentia.recipes.compare import compare_runs
from latentia.recipes.corpora import Sources
from latentia.recipes.measure import Texts, evaluate_run
from latentia.recipes.runs import start_run
from latentia.records import Batch
from tests.laws.tables import sequential_model

TEXTS = [f"the {kind} {'very ' * (n % 3)}old cat{n} sat on mat{n}" for n in range(9) for kind in ("red", "big")]
QUIET = Console(quiet=True)
SMALL = [
    ("model.encoder.embedding_dim", 8),
    ("model.decoder.embedding_dim", 8),
    ("model.encoder.hidden_dim", 8),
    ("model.decoder.hidden_dim", 8),
    ("model.latent_dim", 3),
    ("training.epochs", 2),
    ("training.batch_size", 8),
    ("data.max_tokens", 12),
]


class Index(Encoder):
    """The code of a sequence is its row."""

    def forward(self, batch: Batch) -> DiagonalGaussian:
        rows = batch.index[:, None].float()
        return DiagonalGaussian(rows, torch.zeros_like(rows))


class Lost(Encoder):
    """The rows of a batch in the wrong order."""

    def forward(self, batch: Batch) -> DiagonalGaussian:
        rows = batch.index.flip(0)[:, None].float()
        return DiagonalGaussian(rows, torch.zeros_like(rows))


class AnyRow(Prior):
    density_is_exact = True

    def forward(self) -> DiagonalGaussian:
        return DiagonalGaussian(torch.tensor([8.0]), torch.tensor([2.0]))


class Recall(Decoder):
    """Writes the sequence of the nearest row."""

    def __init__(self, table: Tensor, vocabulary_size: int) -> None:
        super().__init__()
        self.table, self.vocabulary_size = table, vocabulary_size

    def score(self, latent: Tensor, batch: Batch) -> Tensor:
        raise NotImplementedError

    def start(self, latent: Tensor) -> tuple[Tensor, ...]:
        rows = latent[:, 0].round().long().clamp(0, len(self.table) - 1)
        return rows, torch.zeros_like(rows)

    def advance(self, state: tuple[Tensor, ...], tokens: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        rows, place = state
        scores = torch.full((len(rows), self.vocabulary_size), -50.0)
        scores[torch.arange(len(rows)), self.table[rows, place]] = 0
        return scores, (rows, place + 1)


def remembering(encoder: Encoder, max_tokens: int = 12) -> Subject:
    tokenizer = Word().train(TEXTS)
    corpus, size = Corpus.from_texts(TEXTS, tokenizer), tokenizer.vocabulary_size
    rows = Selection.all_of(corpus)
    decoder = Recall(corpus.batch(rows.rows).tokens, size)
    model = TextVAE(size, encoder, decoder, AnyRow(), Nothing(), Unmasked(), Unrefined(), latent_dim=1)
    return Subject(model, tokenizer, max_tokens, rows, rows, rows, seed=3)


@pytest.fixture(scope="module")
def memory():
    return remembering(Index())


def test_what_is_remembered_is_scored_so(memory):
    """Texts, codes and paths stay in line with each other through batches and pairs."""
    result = measure_decoded(memory, 15)
    assert result["reconstruction"]["value"] == pytest.approx(100)
    path = result["interpolation"]
    for end in (0, -1):
        assert path["by_point"][end] == pytest.approx((1 + path["of_the_ends"]) / 2)
    assert (path["pairs"], path["points"]) == (7, 11)


def test_an_order_that_is_lost_would_be_seen():
    assert measure_decoded(remembering(Lost()), 15)["reconstruction"]["value"] < 90


def test_perplexities_are_of_samples_and_of_as_much_real_text(memory):
    rows = memory.held_out
    training = rows.first(6)
    result = measure_decoded(replace(memory, training=training), 15)
    model = KneserNey(training.tokens(), memory.tokenizer.vocabulary_size)
    assert result["forward_of_data"] == perplexity_under(model, rows.tokens())
    assert result["forward"]["trained_on"] == model.tokens
    assert result["forward"]["tokens"] == result["reverse"]["trained_on"] == result["samples"]["tokens"]
    assert result["samples"]["sequences"] == 15
    # Six sentences hold fewer tokens than fifteen samples: all of them are taken, and that is said.
    assert result["reverse_of_training_text"]["trained_on"] == model.tokens
    assert result["reverse"]["tokens"] == int(rows.corpus.lengths.sum())


def test_rows_that_hold_so_many_tokens(memory):
    rows = memory.held_out
    lengths = np.cumsum(rows.corpus.lengths)
    assert len(rows.holding(int(lengths[4]))) == 5
    assert len(rows.holding(int(lengths[4]) + 1)) == 6
    assert len(rows.holding(10**6)) == len(rows)


def test_a_sample_without_an_end_is_counted(memory):
    assert measure_decoded(replace(memory, max_tokens=3), 15)["samples"]["cut_off"] == 15


def test_too_few_sequences_are_refused(memory):
    with pytest.raises(DataError, match="3 sequences"):
        measure_decoded(replace(memory, held_out=memory.held_out.first(3)), 10)
    with pytest.raises(DataError, match="1 sequences"):
        measure_decoded(memory, 1)


@pytest.fixture(scope="module", params=["default", "vmf"])
def run(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "texts.txt").write_text("\n".join(TEXTS * 3) + "\n")
    recipe = load_recipe(request.param).with_settings(SMALL)
    assert start_run(Sources([str(folder / "texts.txt")], [], Columns()), recipe, folder / "run", 1, QUIET)
    return folder / "run"


def test_a_run_is_measured_compared_and_the_same_again(run):
    files = [str(run.parent / "texts.txt")]
    first = evaluate_run(run, Texts(files), samples=2, seed=5, console=QUIET, decode=10)
    assert json.loads((run / "evaluation.json").read_text())["text"] == first["text"]
    header, row = compare_runs([run])
    shown = dict(zip(header, row, strict=True))
    path = first["text"]["interpolation"]
    expected = f"{path['value']:.3f} ± {path['standard_error']:.3f}"
    assert shown["ROUGE-L to both ends, 5 paths of 11"] == expected
    assert "none" not in [shown[title] for title in header if "PPL a token" in title or "whatever machine" in title]
    assert evaluate_run(run, Texts(files), samples=2, seed=5, console=QUIET, decode=10)["text"] == first["text"]
    assert "text" not in evaluate_run(run, Texts(files), samples=2, seed=5, console=QUIET)


def test_codes_of_one_a_token_are_decoded_but_have_no_paths(tmp_path):
    files = [str(tmp_path / "texts.txt")]
    Path(files[0]).write_text("\n".join(TEXTS * 3) + "\n")
    recipe = load_recipe("delta-ar1").with_settings(SMALL)
    start_run(Sources(files, [], Columns()), recipe, tmp_path / "run", 1, QUIET)
    result = evaluate_run(tmp_path / "run", Texts(files), samples=2, seed=5, console=QUIET, decode=10)
    text, shown = result["text"], {name: value for name, value, _ in rows_of_table(result)}
    for measure in ("reconstruction", "forward", "reverse"):
        assert text[measure]["value"] >= 0
    assert text["interpolation"] == {"value": None, "standard_error": None, "pairs": 0, "points": 11}
    assert shown["ROUGE-L of 11 points to both ends"] == "none"
    assert "fitted" in text["samples"]["decoding"]


def test_the_codes_decoded_without_paths_are_those_counted():
    tokenizer, done = Word().train(TEXTS), list[int]()
    rows, model = Selection.all_of(Corpus.from_texts(TEXTS, tokenizer)), sequential_model(tokenizer.vocabulary_size)
    subject = Subject(model.eval(), tokenizer, 12, rows, rows, rows, seed=0)
    measure_decoded(subject, 10, done.append)
    assert sum(done) == decodings(subject, 10) == 20


def test_more_than_there_are_is_all(memory):
    done: list[int] = []
    result = measure_decoded(memory, 1000, done.append)
    assert result["sequences"] == len(memory.held_out)
    assert sum(done) == decodings(memory, 1000)


def test_what_is_remembered_is_copied(memory):
    result = measure_decoded(memory, 15)
    for kind in ("copied", "copied_of_data"):
        assert result[kind]["verbatim"]["value"] == result[kind]["longest_copy"]["value"] == 1
    assert result["diversity_of_data"]["different_texts"]["value"] == 1
    assert result["diversity"]["different_texts"]["value"] < 1  # fifteen draws of eighteen, with repetition
