"""Faults put into small runs on the built-in grammar: each is given its verdict, and a sound run none."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from latentia.data import Columns, write_grammar
from latentia.errors import RunError
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.diagnose import diagnose_run
from latentia.recipes.measure import Texts
from latentia.recipes.runs import start_run
from tests.vouching import revouch

QUIET = Console(quiet=True)
SMALL = [
    ("model.encoder.embedding_dim", 32),
    ("model.decoder.embedding_dim", 32),
    ("model.encoder.hidden_dim", 64),
    ("model.decoder.hidden_dim", 64),
    ("model.latent_dim", 8),
    ("model.decoder.dropout.embeddings", 0.1),
    ("model.decoder.dropout.states", 0.1),
    ("training.optimizer.learning_rate", 1e-2),
    ("training.epochs", 6),
    ("training.batch_size", 64),
]
SHORT = ("training.epochs", 2)
GAUSSIAN = ("model.encoder.posterior.kind", "GaussianHead")
RECIPES = {
    "sound": ("default", []),
    "collapsed": ("vae", [("objective.weight.kind", "Constant"), SHORT]),
    "autoencoder": (
        "default",
        [GAUSSIAN, ("objective.beta", 0.0), ("training.stopping.metric", "reconstruction"), ("training.epochs", 4)],
    ),
    "committed": ("delta", [SHORT]),
    "short": ("default", [("training.epochs", 1)]),
    "holed": ("default", [GAUSSIAN, ("objective.beta", 0.05)]),
}
VERDICTS = {
    "collapsed": ["collapsed"],
    "autoencoder": ["posterior variance vanishing", "holes"],
    "committed": ["rate without information"],
    "short": ["under-trained"],
    "holed": ["holes"],
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("grammar")
    write_grammar(folder, {"train": 4000, "valid": 500})
    return folder


@pytest.fixture(scope="module")
def run(corpus):
    """Train a recipe, once."""
    made: dict[str, Path] = {}

    def train(name: str) -> Path:
        if name not in made:
            recipe, settings = RECIPES[name]
            sources = Sources([str(corpus / "train.jsonl")], [str(corpus / "valid.jsonl")], Columns(label="topic"))
            assert start_run(sources, load_recipe(recipe).with_settings(SMALL + settings), corpus / name, 1, QUIET)
            made[name] = corpus / name
        return made[name]

    return train


def found(folder: Path, texts: Texts | None = None) -> list[str]:
    """Names of the faults."""
    return [verdict.name for verdict in diagnose_run(folder, texts or Texts([]), 0, QUIET) if not verdict.healthy]


@pytest.mark.parametrize("name", VERDICTS)
def test_a_run_with_a_fault_is_given_its_verdict(run, name):
    """What may follow from it stands after it; of a sound run nothing stands at all."""
    folder, expected = run(name), VERDICTS[name]
    names = found(folder)
    assert names[: len(expected)] == expected
    written = json.loads((folder / "diagnosis.json").read_text())
    assert [verdict["name"] for verdict in written["verdicts"] if not verdict["healthy"]] == names


def test_the_sound_run_has_no_fault(run):
    assert found(run("sound")) == []


def test_a_training_that_was_cut_short_is_found(run, tmp_path):
    """A copy of the sound run without its last checkpoint is one that was stopped before."""
    shutil.copytree(run("sound"), tmp_path / "run")
    shutil.rmtree(max((tmp_path / "run" / "checkpoints").glob("step-*")))
    assert found(tmp_path / "run") == ["under-trained"]


def test_shuffled_labels_are_found(run, corpus, tmp_path):
    rows = [json.loads(line) for line in (corpus / "valid.jsonl").read_text().splitlines()]
    labels = [row["topic"] for row in rows]
    random.Random(0).shuffle(labels)
    lines = [json.dumps({**row, "topic": label}) for row, label in zip(rows, labels, strict=True)]
    (tmp_path / "shuffled.jsonl").write_text("\n".join(lines))
    shuffled = Texts([str(tmp_path / "shuffled.jsonl")], Columns(label="topic"))
    assert found(run("sound"), shuffled) == ["labels unrelated"]


def test_another_tokenizer_of_the_same_size_is_refused(run, tmp_path):
    """Its vocabulary in another order: everything fits, and every number would be wrong."""
    shutil.copytree(run("sound"), tmp_path / "run")
    path = tmp_path / "run" / "tokenizer.json"
    tree = json.loads(path.read_text())
    words = tree["model"]["vocab"]
    ordinary = [word for word, number in words.items() if number > 3]
    words.update(zip(ordinary, [words[word] for word in reversed(ordinary)], strict=True))
    path.write_text(json.dumps(tree))
    with pytest.raises(RunError, match="manifest"):
        diagnose_run(tmp_path / "run", Texts([]), 0, QUIET)
    revouch(tmp_path / "run")
    with pytest.raises(RunError, match="not the tokenizer"):
        diagnose_run(tmp_path / "run", Texts([]), 0, QUIET)
