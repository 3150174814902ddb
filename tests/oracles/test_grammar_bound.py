"""On the built-in grammar, whose probabilities are exact, no likelihood may pass the source's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

from latentia.data import Columns, Corpus, Grammar, sequential, write_grammar
from latentia.evaluation import importance_weighted_likelihood
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.runs import open_run, start_run

SETTINGS = [
    ("model.encoder.embedding_dim", 32),
    ("model.decoder.embedding_dim", 32),
    ("model.encoder.hidden_dim", 64),
    ("model.decoder.hidden_dim", 64),
    ("model.decoder.dropout.words", 0.0),
    ("model.decoder.dropout.embeddings", 0.0),
    ("model.decoder.dropout.states", 0.0),
    ("model.latent_dim", 4),
    ("training.optimizer.learning_rate", 1e-2),
    ("training.epochs", 3),
]


@pytest.fixture(scope="module", params=[0, 1])
def folder(request, tmp_path_factory):
    """A run that has learned most of the grammar, so that an estimate too low by little would show."""
    home = tmp_path_factory.mktemp("grammar")
    files = write_grammar(home / "data", {"train": 5000, "valid": 100}, seed=request.param)
    recipe = load_recipe("default").with_settings(SETTINGS)
    sources = Sources([str(files["train"])], [str(files["valid"])], Columns())
    assert start_run(sources, recipe, home / "run", request.param, Console(quiet=True))
    return home / "run"


def mean_and_error(values: Tensor) -> tuple[float, float]:
    return values.mean().item(), values.std().item() / math.sqrt(len(values))


def test_no_estimate_passes_the_source(folder):
    grammar = Grammar()
    texts = grammar.sample(600, seed=99)[0]
    exact = torch.tensor([-grammar.log_probability(text) for text in texts])
    model, tokenizer, _ = open_run(folder)
    corpus = Corpus.from_texts(texts, tokenizer)
    estimates = {
        samples: importance_weighted_likelihood(model, sequential(corpus, np.arange(len(texts)), 64), samples)
        for samples in (1, 25)
    }
    for estimate in (estimates[1].nll_iw, estimates[25].nll_iw, -estimates[25].elbo):
        value, error = mean_and_error(estimate)
        assert value > grammar.entropy() - 3 * error
        # The same sentences on both sides: what is left is the divergence of the model from the source.
        value, error = mean_and_error(estimate - exact)
        assert 0 < value - 3 * error < value < 6
