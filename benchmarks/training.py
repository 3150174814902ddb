"""Training speed of the recipe ``vae`` in the literature's PTB setting, against plain float32 PyTorch in the same run.

usage: python benchmarks/training.py --data FILE [--steps N] [--json FILE]

Both train the same model from the same weights on the same batches with AdamW and clipping, by turns of a few steps. A
ratio is the median over the turns, the first left out, so that what else the machine does in a turn slows both. The
GEMM ceiling is the fastest product of the projection's three shapes, timed before, between and after the comparisons.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from baseline import PlainTextVAE

from latentia.data import Columns, Corpus, Loader, build_corpus, read_texts
from latentia.functional.schedule import Linear
from latentia.objectives import DensityGap, Objective
from latentia.recipes import load_recipe
from latentia.records import Batch
from latentia.training.loop import wants_bfloat16
from latentia.training.optimizers import groups_of

EMBEDDING, HIDDEN, LATENT = 256, 256, 32
VOCABULARY_LOSS = "blocks of our own, gradients made beside the logits"
CLIP, LEARNING_RATE, ANNEALING = 5.0, 2e-3, 5000
TURN = 5

Step = Callable[[Batch, int], torch.Tensor]


def main() -> None:
    """Measure, print and write."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        # First, while this process is small: on Linux a child's peak begins at the size of its parent.
        peak = _peak_memory(arguments.data, Path(folder) / "run")
        corpus, vocabulary = _corpus(arguments.data, Path(folder))
        figures = {"bfloat16": wants_bfloat16("auto"), "vocabulary_loss": VOCABULARY_LOSS, "peak_memory_gb": peak}
        ceilings = [_ceiling(vocabulary)]
        for size in (32, 128):
            figures[f"batch_{size}"] = _compare(corpus, vocabulary, size, arguments.steps)
            ceilings.append(_ceiling(vocabulary))
        figures["density_gap"] = _density_gap(corpus, vocabulary, arguments.steps)
    figures["ceiling_gflops"] = max(ceilings)
    for size in (32, 128):
        _add_shares(figures[f"batch_{size}"], figures["ceiling_gflops"] * 1e9 / _flops_a_token(vocabulary))
    _show(figures)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="a .txt file, one sentence a line")
    parser.add_argument("--steps", type=int, default=100, help="steps of each model")
    parser.add_argument("--json", help="write the figures here")
    return parser.parse_args()


def _corpus(data: str, folder: Path) -> tuple[Corpus, int]:
    tokenizer = load_recipe("vae").data().tokenizer.train(read_texts([data], Columns()))
    corpus, _ = build_corpus([data], Columns(), tokenizer, folder / "corpus.arrow", max_tokens=256)
    return corpus, tokenizer.vocabulary_size


def _ours(vocabulary: int, objective: Objective) -> Step:
    """One step as the package takes it."""
    recipe = load_recipe("vae")
    torch.manual_seed(0)
    model = recipe.model(vocabulary).train()
    optimizer = recipe.training().optimizer.build(groups_of(model))

    def step(batch: Batch, number: int) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=wants_bfloat16("auto")):
            run = model(batch)
        terms = objective(run, number)
        loss = terms.loss.mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return terms.bound.mean().detach()

    return step


def _plain(vocabulary: int) -> Step:
    """One step as one would write it first, from the same initial weights."""
    torch.manual_seed(0)
    weights = load_recipe("vae").model(vocabulary).state_dict()
    model = PlainTextVAE(vocabulary, EMBEDDING, HIDDEN, LATENT).train()
    # Layer for layer the two models have the same order and shapes; only the names differ.
    model.load_state_dict(dict(zip(model.state_dict(), weights.values(), strict=True)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)

    def step(batch: Batch, number: int) -> torch.Tensor:
        optimizer.zero_grad()
        reconstruction, kl = model(batch)
        loss = (reconstruction + min(1.0, number / ANNEALING) * kl).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        return (reconstruction + kl).mean().detach()

    return step


def _batches(corpus: Corpus, size: int) -> Iterator[Batch]:
    """Full batches of equal length, without end."""
    recipe, epoch = load_recipe("vae").training(), 0
    loader = Loader(corpus, recipe.batching, size, 0, np.arange(len(corpus)))
    while True:
        yield from (batch for batch in loader.epoch(epoch) if len(batch) == size)
        epoch += 1


def _alternate(steps_of: dict[str, Step], batches: Iterator[Batch], steps: int) -> dict[str, dict[str, list[float]]]:
    """Train all by turns on the same batches; return tokens a second and the bound of each turn."""
    records: dict[str, dict[str, list[float]]] = {name: {"speed": [], "bound": []} for name in steps_of}
    for start in range(0, steps, TURN):
        turn = [next(batches) for _ in range(TURN)]
        tokens = sum(batch.token_count for batch in turn)
        for name, step in steps_of.items():
            begin = time.perf_counter()
            bounds = [step(batch, start + number) for number, batch in enumerate(turn)]
            seconds = time.perf_counter() - begin
            records[name]["speed"].append(tokens / seconds)
            records[name]["bound"].append(torch.stack(bounds).mean().item())
    return records


def _compare(corpus: Corpus, vocabulary: int, size: int, steps: int) -> dict[str, object]:
    objective = load_recipe("vae").objective()
    records = _alternate(
        {"ours": _ours(vocabulary, objective), "plain": _plain(vocabulary)}, _batches(corpus, size), steps
    )
    ours, plain = (records[name]["speed"][1:] for name in ("ours", "plain"))
    return {
        "tokens_per_second": statistics.median(ours),
        "baseline_tokens_per_second": statistics.median(plain),
        "ratio": _median_ratio(ours, plain),
        "curve": records["ours"]["bound"],
        "baseline_curve": records["plain"]["bound"],
    }


def _median_ratio(speeds: list[float], baseline: list[float]) -> float:
    return statistics.median(speed / other for speed, other in zip(speeds, baseline, strict=True))


def _add_shares(row: dict[str, object], ceiling: float) -> None:
    """Add each model's share of the ``ceiling``, in tokens a second."""
    for prefix in ("", "baseline_"):
        row[f"{prefix}share_of_ceiling"] = row[f"{prefix}tokens_per_second"] / ceiling


def _density_gap(corpus: Corpus, vocabulary: int, steps: int) -> dict[str, float]:
    """Cost of the gap at batch 32 and M = 32, over the ELBO in the same run."""
    elbo = _ours(vocabulary, load_recipe("vae").objective())
    gaps = {form: _ours(vocabulary, DensityGap(Linear(ANNEALING), form, draws=32)) for form in ("marginal", "joint")}
    records = _alternate({"elbo": elbo, **gaps}, _batches(corpus, 32), steps)
    speed = {name: record["speed"][1:] for name, record in records.items()}
    return {form: _median_ratio(speed["elbo"], speed[form]) - 1 for form in gaps}


def _peak_memory(data: str, run: Path) -> float:
    """Largest resident set of `latentia train` with the recipe, reading, validation and checkpoints included, in GB."""
    settings = ["--recipe", "vae", "--set", "training.max_steps=60", "--out", str(run)]
    subprocess.run([sys.executable, "-m", "latentia", "train", data, *settings], check=True, capture_output=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6


def _flops_a_token(vocabulary: int) -> float:
    """Multiply-adds of the three passes, twice each: two LSTMs and the projection."""
    encoder = 4 * HIDDEN * (EMBEDDING + HIDDEN)
    decoder = 4 * HIDDEN * (EMBEDDING + LATENT + HIDDEN)
    return 2.0 * 3 * (encoder + decoder + HIDDEN * vocabulary)


def _ceiling(vocabulary: int) -> float:
    """The fastest of the projection's three products, in GFLOP/s, in the precision that training takes."""
    kind = torch.bfloat16 if wants_bfloat16("auto") else torch.float32
    rows = 2048
    shapes = [(rows, HIDDEN, vocabulary), (rows, vocabulary, HIDDEN), (vocabulary, rows, HIDDEN)]
    return max(_gemm(*shape, kind) for shape in shapes)


def _gemm(m: int, k: int, n: int, kind: torch.dtype) -> float:
    left, right = torch.randn(m, k, dtype=kind), torch.randn(k, n, dtype=kind)
    seconds = []
    for _ in range(8):
        begin = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - begin)
    return 2.0 * m * k * n / min(seconds) / 1e9


def _show(figures: dict[str, object]) -> None:
    bfloat16 = "bfloat16" if figures["bfloat16"] else "float32"
    print(f"GEMM ceiling {figures['ceiling_gflops']:.0f} GFLOP/s in {bfloat16}; vocabulary loss: {VOCABULARY_LOSS}")
    for size in (32, 128):
        _show_batch(size, figures[f"batch_{size}"])
    for form, share in figures["density_gap"].items():
        print(f"density gap, {form}: adds {share:.1%} to a step at batch 32, M = 32")
    print(f"peak memory of a training run {figures['peak_memory_gb']:.2f} GB")


def _show_batch(size: int, row: dict[str, object]) -> None:
    print(f"batch {size}: ratio {row['ratio']:.2f}")
    for name, prefix in (("latentia", ""), ("plain PyTorch", "baseline_")):
        speed, share = row[f"{prefix}tokens_per_second"], row[f"{prefix}share_of_ceiling"]
        print(f"  {name:<14}{speed:>8,.0f} tokens/s, {share:.0%} of the ceiling; negative ELBO, nats a sentence:")
        print("   ", " ".join(f"{value:.1f}" for value in row[f"{prefix}curve"]))


if __name__ == "__main__":
    main()
