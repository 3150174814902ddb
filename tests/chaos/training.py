"""Small training runs for the harness, and what tells one from another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from rich.console import Console

from latentia.data import Columns
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.runs import resume_run, start_run
from latentia.training.checkpoint import Checkpoints
from latentia.training.weights import read_tensors

SMALL = [
    ("model.encoder.embedding_dim", 6),
    ("model.decoder.embedding_dim", 6),
    ("model.encoder.hidden_dim", 8),
    ("model.decoder.hidden_dim", 8),
    ("model.latent_dim", 3),
    ("training.epochs", 3),
    ("training.batch_size", 8),
    ("training.checkpoint_every", 2),
    ("training.optimizer.rate", {"kind": "CosineRate"}),
    ("training.optimizer.learning_rate", 0.02),
    ("training.precision", "float32"),
]
PLANS: dict[str, tuple[str, list[tuple[str, object]]]] = {
    "plain": ("default", [("model.decoder.dropout.words", 0.3)]),
    "adversarial": ("aae", []),
    "lagging": ("lagging", [("training.plan.most", 4), ("training.plan.block", 2)]),
    "critic first": ("ivae-mi", [("training.plan.updates", 2)]),
    "denoising": ("daae", []),
    "hidden words": ("adversarial-dropout", []),
}
"""Recipes whose steps differ in what they must remember."""

QUIET = Console(quiet=True)
CLOCK = ("tokens_per_second", "seconds")


def corpus(home: Path) -> Sources:
    """Write forty lines."""
    path = home / "texts.txt"
    path.write_text("".join(f"a b {'c ' * (n % 3)}d{n % 5} e{n % 7}\n" for n in range(40)))
    return Sources([str(path)], [], Columns())


def start(home: Path, plan: str, folder: Path, *more: tuple[str, object]) -> bool:
    """Train one run to its end, with more settings than those of its plan."""
    recipe, settings = PLANS[plan]
    return start_run(corpus(home), load_recipe(recipe).with_settings([*SMALL, *settings, *more]), folder, 1, QUIET)


def start_or_resume(home: Path, plan: str, folder: Path, *more: tuple[str, object]) -> bool:
    """Do what whoever restarts a run does: continue it if it was begun."""
    if (folder / "manifest.json").exists():
        return resume_run(folder, QUIET)
    return start(home, plan, folder, *more)


def result(folder: Path) -> dict[str, object]:
    """Everything that a run leaves and that must not depend on how often it was stopped, as plain bytes and values."""
    newest = Checkpoints(folder)._found()[0]
    state = json.loads((newest / "state.json").read_text())
    state["progress"].pop("seconds")
    files = {"last": newest / "model.safetensors", "moments": newest / "optimizer.safetensors"}
    files["best"] = folder / "model.safetensors"
    tensors = {
        f"{which}/{name}": (str(tensor.dtype), tuple(tensor.shape), tensor.numpy().tobytes())
        for which, path in files.items()
        for name, tensor in read_tensors(path).items()
    }
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    told = [{k: v for k, v in line.items() if k not in CLOCK} for line in lines if line["split"] == "validation"]
    return {"name": newest.name, "progress": state["progress"], "validations": told, **tensors}


def difference(folder: Path, expected: dict[str, object]) -> str:
    """Name what differs from the run that nobody stopped; nothing if it is the same to the last bit."""
    found = result(folder)
    differing = [key for key in sorted(found.keys() | expected.keys()) if found.get(key) != expected.get(key)]
    return f"{len(differing)} of {len(expected)} differ, first {differing[0]}" if differing else ""


def uninterrupted(home: Path, plan: str) -> dict[str, object]:
    """Train a run that nobody stops."""
    folder = home / f"whole {plan}"
    start(home, plan, folder)
    whole = result(folder)
    shutil.rmtree(folder)
    return whole
