"""Speed of the importance-weighted likelihood against a plain float32 PyTorch loop over sentences in the same run.

usage: python benchmarks/evaluation.py --run RUN --data FILE [--sentences N] [--samples K] [--json FILE]

RUN is a run of the recipe ``vae``, whose weights the plain model takes. Both take the same sentences, spread over the
lengths of the file, by turns of one; a ratio is the median over the sentences, so that what else the machine does in a
turn slows both. The plain loop makes all logits of one sentence and 100 samples and takes their cross-entropy, flat or
transposed as the baseline of the training benchmark does. The GEMM ceiling is the fastest product of the projection's
shape, timed before and after. The process asks for as many threads as OMP_NUM_THREADS says.
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
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from baseline import PlainTextVAE, ceiling_of, flops_a_token, plain_of

from latentia.data import Columns, Selection, build_corpus, read_texts
from latentia.evaluation import importance_weighted_likelihood
from latentia.functional.importance import mean_and_standard_error
from latentia.models import TextModel
from latentia.recipes.runs import open_run
from latentia.records import Batch

EVERY, SAMPLES_OF_PEAK = 20, 20
WIDEST_DIFFERENCE = 1e-4


def main() -> None:
    """Measure, print and write."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.peak:
            print(_peak(arguments, Path(folder)))
            return
        figures = _figures(arguments, Path(folder))
    _show(figures)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1))
    if figures["largest_relative_difference"] > WIDEST_DIFFERENCE:
        sys.exit("the two do not give the same codes the same likelihood")


def _figures(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """All measurements."""
    # First, while this process is small: on Linux a child's peak begins at the size of its parent.
    peaks = {times: _peak_of_child(arguments, times) for times in (1, 4)}
    model, chosen = _opened(arguments, 1, folder)
    sentences = [chosen.corpus.batch(row) for row in np.split(chosen.rows, len(chosen))]
    ceilings = [ceiling_of(model)]
    figures = {
        "threads": torch.get_num_threads(),
        "peak_memory_gb": peaks,
        "samples": arguments.samples,
        **_compare(model, plain_of(model), sentences, arguments.samples),
        **_two_phase(model, chosen, arguments.samples),
        "ceiling_gflops": max(*ceilings, ceiling_of(model)),
    }
    return figures | {"ceiling_microseconds": flops_a_token(model) / figures["ceiling_gflops"] / 1e3}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, type=Path, help="a run folder of the recipe vae")
    parser.add_argument("--data", required=True, help="a .txt file, one sentence a line")
    parser.add_argument("--sentences", type=int, default=60, help="how many of the file")
    parser.add_argument("--samples", type=int, default=500, help="draws of each sentence")
    parser.add_argument("--json", help="write the figures here")
    parser.add_argument("--peak", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def _opened(arguments: argparse.Namespace, times: int, folder: Path) -> tuple[TextModel, Selection]:
    """Open the run, and sentences spread evenly over the lengths of the file, so many times over."""
    model, tokenizer, recipe = open_run(arguments.run)
    texts = sorted(read_texts([arguments.data], Columns()), key=lambda text: text.count(" "))
    places = np.linspace(0, len(texts) - 1, min(arguments.sentences, len(texts))).astype(int)
    (folder / "sentences.txt").write_text("".join(f"{texts[place]}\n" for place in places) * times)
    max_tokens = recipe.data().max_tokens
    sources = [str(folder / "sentences.txt")]
    corpus, _ = build_corpus(sources, Columns(), tokenizer, folder / "corpus.arrow", max_tokens)
    return model, Selection.all_of(corpus)


def _compare(model: TextModel, plain: PlainTextVAE, sentences: Sequence[Batch], samples: int) -> dict[str, object]:
    """Estimate by turns, sentence by sentence; and score the same codes."""
    contestants: dict[str, Callable[[Batch], torch.Tensor]] = {
        "latentia": lambda batch: importance_weighted_likelihood(model, [batch], samples).nll_iw[0],
        "plain": lambda batch: plain.importance_weighted(batch, samples),
        "plain, transposed": lambda batch: plain.importance_weighted(batch, samples, transposed=True),
    }
    rows = {name: {"microseconds": [], "processor": [], "nll": []} for name in contestants}
    torch.manual_seed(0)
    for batch in [sentences[-1], *sentences]:
        for name, estimate in contestants.items():
            begin, worked = time.perf_counter(), time.process_time()
            rows[name]["nll"].append(estimate(batch).item())
            scored = batch.token_count * samples / 1e6
            rows[name]["processor"].append((time.process_time() - worked) / scored)
            rows[name]["microseconds"].append((time.perf_counter() - begin) / scored)
    # The first turn warms up.
    found = {name: {key: values[1:] for key, values in row.items()} for name, row in rows.items()}
    return {
        "tokens": sum(batch.token_count for batch in sentences),
        "turns": found,
        "largest_relative_difference": max(_difference(model, plain, batch) for batch in sentences),
    }


@torch.no_grad()
def _difference(model: TextModel, plain: PlainTextVAE, batch: Batch) -> float:
    """Largest relative difference of the likelihoods that both give to the same codes."""
    codes = model.draw(batch, 10).sample
    ours, theirs = model.decoder(codes).log_prob(batch)[:, 0], plain.score(codes[:, 0], batch)
    return ((ours - theirs) / theirs).abs().max().item()


def _two_phase(model: TextModel, chosen: Selection, samples: int) -> dict[str, object]:
    """Time and error of giving all samples to one sentence in twenty, where there are two such."""
    if len(chosen) < 2 * EVERY:
        return {}
    begin = time.perf_counter()
    found = importance_weighted_likelihood(model, chosen.batches(64), samples, every=EVERY)
    value, error = mean_and_standard_error(found.nll_iw)
    return {"two_phase": {"seconds": time.perf_counter() - begin, "value": value, "standard_error": error}}


def _peak_of_child(arguments: argparse.Namespace, times: int) -> float:
    """Largest resident set, in GB, of a process that evaluates the sentences so many times over with few samples."""
    own = [sys.executable, __file__, "--run", str(arguments.run), "--data", arguments.data, "--peak", str(times)]
    command = [*own, "--sentences", str(arguments.sentences)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _peak(arguments: argparse.Namespace, folder: Path) -> float:
    model, chosen = _opened(arguments, arguments.peak, folder)
    importance_weighted_likelihood(model, chosen.batches(64), SAMPLES_OF_PEAK)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _show(figures: dict[str, object]) -> None:
    turns, least = figures["turns"], figures["ceiling_microseconds"]
    print(f"{figures['threads']} thread(s); GEMM ceiling {figures['ceiling_gflops']:.0f} GFLOP/s in float32")
    for name, row in turns.items():
        wall, worked = (statistics.median(row[key]) for key in ("microseconds", "processor"))
        value, error = mean_and_standard_error(torch.tensor(row["nll"]))
        print(
            f"  {name:<18}{wall:>7.0f} us a token and sample, {least / wall:.0%} of the ceiling "
            f"({worked:.0f} us of processor time); nll_iw({figures['samples']}) {value:.3f} ± {error:.3f}"
        )
    for name in ("plain", "plain, transposed"):
        _show_ratio(turns["latentia"], turns[name], name)
    print(f"largest relative difference on the same codes {figures['largest_relative_difference']:.1e}")
    if "two_phase" in figures:
        _show_two_phase(figures["two_phase"], figures)
    once, four = figures["peak_memory_gb"].values()
    print(f"peak memory of an evaluation {once:.3f} GB, of the same sentences four times over {four:.3f} GB")


def _show_ratio(ours: dict[str, list[float]], other: dict[str, list[float]], name: str) -> None:
    wall, worked = (
        statistics.median(theirs / mine for theirs, mine in zip(other[key], ours[key], strict=True))
        for key in ("microseconds", "processor")
    )
    value, error = mean_and_standard_error(torch.tensor(ours["nll"]) - torch.tensor(other["nll"]))
    print(f"ratio to {name}: {wall:.2f}, by processor time {worked:.2f}; nll_iw differs by {value:.4f} ± {error:.4f}")


def _show_two_phase(row: dict[str, float], figures: dict[str, object]) -> None:
    scored = figures["tokens"] * figures["samples"] / 1e6
    whole = {name: statistics.median(turns["microseconds"]) * scored for name, turns in figures["turns"].items()}
    print(
        f"two-phase 1/{EVERY}: nll_iw {row['value']:.3f} ± {row['standard_error']:.3f}, in {row['seconds']:.1f} s; "
        f"all draws of all sentences in about {whole['latentia']:.0f} s, plain in about {whole['plain']:.0f} s"
    )


if __name__ == "__main__":
    main()
