"""A run on a built-in corpus, from text to verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from latentia.data import Columns
from latentia.data.grammar import Grammar, write_grammar
from latentia.data.pydoc import write_pydoc
from latentia.durable import stored
from latentia.evaluation.table import evaluation_table
from latentia.recipes.corpora import Sources
from latentia.recipes.folders import require_free
from latentia.recipes.library import DEFAULT, load_recipe
from latentia.recipes.measure import Texts, evaluate_run
from latentia.recipes.runs import load, start_run

SMALL: dict[str, list[tuple[str, Any]]] = {
    "grammar": [
        ("model.encoder.embedding_dim", 64),
        ("model.decoder.embedding_dim", 64),
        ("model.encoder.hidden_dim", 128),
        ("model.decoder.hidden_dim", 128),
        ("model.latent_dim", 16),
        ("model.decoder.dropout.embeddings", 0.1),
        ("model.decoder.dropout.states", 0.1),
        ("training.epochs", 6),
    ],
    "pydoc": [
        ("data.tokenizer.size", 5000),
        ("data.max_tokens", 40),
        ("model.encoder.hidden_dim", 256),
        ("model.decoder.hidden_dim", 256),
        ("training.epochs", 8),
    ],
}
"""The default recipe at the size of each corpus."""

LABELS = {"grammar": "topic", "pydoc": ""}
SAMPLES = 50


def demonstrate(corpus: str, folder: Path | None, seed: int, results: Console, remarks: Console) -> Path:
    """Make the corpus, train, evaluate and show; return the run folder.

    Raises:
        KeyboardInterrupt: If the run was interrupted.
        RunError: If the folder is not empty.
    """
    folder = folder or _free_folder(corpus)
    require_free(folder)
    files = _write(corpus, folder.with_name(f"{folder.name}-data"), seed)
    recipe = load_recipe(DEFAULT).with_settings(SMALL[corpus])
    sources = Sources([str(files["train"])], [str(files["valid"])], Columns(label=LABELS[corpus]))
    if not start_run(sources, recipe, folder, seed, remarks):
        remarks.print(f"saved; continue with `latentia train --resume {folder}`", markup=False)
        raise KeyboardInterrupt
    measured = evaluate_run(folder, Texts([str(files["test"])]), SAMPLES, seed, remarks)
    _show_numbers(corpus, measured, results)
    _show_texts(folder, Path(files["test"]), seed, results)
    return folder


def _write(corpus: str, folder: Path, seed: int) -> dict[str, Path]:
    with stored(folder):
        return write_grammar(folder, seed=seed) if corpus == "grammar" else write_pydoc(folder, seed=seed)


def _show_numbers(corpus: str, measured: dict[str, Any], results: Console) -> None:
    table = evaluation_table(measured, f"{measured['sentences']:,} held-out sentences, nats a sentence")
    if corpus == "grammar":
        table.add_section()
        table.add_row("entropy of the grammar, exact: no model does better", f"{Grammar().entropy():.3f}", "")
    results.print(table)


def _show_texts(folder: Path, test: Path, seed: int, results: Console) -> None:
    space = load(folder)
    results.print("\nTen samples from the prior:")
    for text in space.sample(10, seed=seed):
        results.print(f"  {text}", markup=False)
    first, second = _two_texts(test, space.max_tokens)
    results.print(f"\nFrom {first!r}\n  to {second!r}:", markup=False)
    for text in space.interpolate(first, second, steps=7):
        results.print(f"  {text}", markup=False)
    results.print()


def _two_texts(test: Path, max_tokens: int) -> tuple[str, str]:
    """Take two held-out texts of different length from a test file that the demo wrote."""
    lines = test.read_text(encoding="utf-8").splitlines()[:200]
    texts = [json.loads(line)["text"] if test.suffix == ".jsonl" else line for line in lines]
    usable = sorted((text for text in texts if len(text.split()) <= max_tokens), key=lambda text: len(text.split()))
    return usable[len(usable) // 4], usable[3 * len(usable) // 4]


def _free_folder(corpus: str) -> Path:
    number = 1
    while (folder := Path("runs") / f"demo-{corpus}-{number}").exists():
        number += 1
    return folder
