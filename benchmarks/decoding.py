"""Speed of greedy and beam decoding against plain PyTorch and against Hugging Face ``generate`` in the same run.

usage: python benchmarks/decoding.py --run RUN --data FILE [--codes N] [--turns N] [--json FILE]

RUN is a run of the recipe ``vae``, whose weights the plain model takes; the codes are those of the first N texts of
FILE, and decoding ends as it ends. Everything but one at a time has at most 256 sequences under way: others are given
batches of so many, and our greedy search all codes, of which it begins one where another ends. The slow ones take
fewer. ``generate`` decodes a Transformer of as many multiply-adds a token, with random weights, as many tokens a
sequence as ours have on average, and its own cache. All take turns, the first left out; a ratio is the median over the
turns, so that what else the machine does slows both. The GEMM ceiling is the fastest product of the projection's shape.
The process asks for as many threads as OMP_NUM_THREADS says.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch
from baseline import ceiling_of, flops_a_token, plain_of
from plain_decoding import batched_beam, batched_greedy, one_at_a_time

import latentia
from latentia.data import Columns, read_texts
from latentia.decoding import Beam, Greedy, Strategy, decode
from latentia.models import TextModel
from latentia.shapes import EOS

BATCH, WIDTH, LONGEST = 256, 5, 64
FEW = {"plain, one at a time": 32, "plain, beam": 256, "generate, beam": 256, "latentia, beam": 1024, "generate": 512}
"""Codes of the slower contestants, at most."""

SAME = 0.9
"""Share of the codes that must decode alike."""

AGAINST = {
    "latentia": ("plain, one at a time", "plain", "generate"),
    "latentia, beam": ("plain, beam", "generate, beam"),
}

Contestant = Callable[[torch.Tensor], object]


def main() -> None:
    """Measure, print and write."""
    arguments = _arguments()
    space = latentia.load(arguments.run)
    texts = list(islice(read_texts([arguments.data], Columns()), arguments.codes))
    codes = space.encode(texts)
    model = space.model
    written = _decoded(model, codes, Greedy())
    tokens = round(statistics.mean(len(ids) + 1 for ids in written))
    _check(model, codes[:16])
    figures = {
        "threads": torch.get_num_threads(),
        "codes": len(codes),
        "tokens_a_sequence": tokens,
        "rates": _rates(_contestants(model, tokens), codes, arguments.turns),
        "ceiling": ceiling_of(model) * 1e9 / (flops_a_token(model) * tokens),
    }
    _show(figures)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, type=Path, help="a run folder of the recipe vae")
    parser.add_argument("--data", required=True, help="a .txt file, one sentence a line")
    parser.add_argument("--codes", type=int, default=3761, help="how many of the file")
    parser.add_argument("--turns", type=int, default=5, help="of each contestant")
    parser.add_argument("--json", help="write the figures here")
    return parser.parse_args()


def _contestants(model: TextModel, tokens: int) -> dict[str, Contestant]:
    """Everything that decodes a number of codes, by name."""
    plain, transformer = plain_of(model), _transformer(model)

    def in_batches(decode_batch: Contestant) -> Contestant:
        return lambda codes: [decode_batch(batch) for batch in codes.split(BATCH)]

    def generate(codes: torch.Tensor, beams: int) -> object:
        begin = torch.zeros(len(codes), 1, dtype=torch.long)
        mask = torch.ones_like(begin)
        return transformer.generate(
            begin, attention_mask=mask, num_beams=beams, do_sample=False, min_new_tokens=tokens, max_new_tokens=tokens
        )

    return {
        "latentia": lambda codes: _decoded(model, codes, Greedy()),
        "plain": in_batches(lambda batch: batched_greedy(plain, batch, LONGEST)),
        "plain, one at a time": lambda codes: one_at_a_time(plain, codes, LONGEST),
        "generate": in_batches(lambda batch: generate(batch, 1)),
        "latentia, beam": in_batches(lambda batch: _decoded(model, batch, Beam(WIDTH))),
        "plain, beam": in_batches(lambda batch: batched_beam(plain, batch, LONGEST, WIDTH)),
        "generate, beam": in_batches(lambda batch: generate(batch, WIDTH)),
    }


def _decoded(model: TextModel, codes: torch.Tensor, strategy: Strategy) -> list[list[int]]:
    return decode(model.decoder(codes[None]), strategy, LONGEST)


def _transformer(model: TextModel) -> torch.nn.Module:
    """A Transformer decoder of random weights with about as many multiply-adds a token, and the same vocabulary."""
    from transformers import GPT2Config, GPT2LMHeadModel

    vocabulary, width = model.decoder.vocabulary.weight.shape
    layers = max(1, round((flops_a_token(model) / 2 - vocabulary * width) / (12 * width**2)))
    special = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), EOS)
    config = GPT2Config(vocab_size=vocabulary, n_positions=128, n_embd=width, n_layer=layers, n_head=4, **special)
    return GPT2LMHeadModel(config).eval()


def _check(model: TextModel, codes: torch.Tensor) -> None:
    """The plain loops write what ours write, or the comparison compares two things."""
    ours = _decoded(model, codes, Greedy())
    theirs = [ids[: ids.index(EOS)] if EOS in ids else ids for ids in one_at_a_time(plain_of(model), codes, LONGEST)]
    same = sum(a == b for a, b in zip(ours, theirs, strict=True))
    print(f"the same text as the plain loop of {same} of {len(ours)} codes (ties and rounding part the others)")
    if same < SAME * len(ours):
        sys.exit("the two do not decode the same model")


def _rates(contestants: dict[str, Contestant], codes: torch.Tensor, turns: int) -> dict[str, list[float]]:
    """Sequences a second of each contestant in each turn, the first left out."""
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(turns + 1):
        for name, contestant in contestants.items():
            chosen = codes[: FEW.get(name, len(codes))]
            begin = time.perf_counter()
            contestant(chosen)
            rates[name].append(len(chosen) / (time.perf_counter() - begin))
    return {name: found[1:] for name, found in rates.items()}


def _show(figures: dict[str, object]) -> None:
    rates, ceiling = figures["rates"], figures["ceiling"]
    print(f"{figures['threads']} thread(s), {figures['codes']} codes, {figures['tokens_a_sequence']} tokens each")
    print(f"ceiling of the products of one sequence in float32: {ceiling:.0f} sequences a second")
    for name, found in rates.items():
        print(f"  {name:<22}{statistics.median(found):>9.1f} sequences a second")
    for ours, others in AGAINST.items():
        for other in others:
            ratio = statistics.median(a / b for a, b in zip(rates[ours], rates[other], strict=True))
            print(f"{ours} against {other}: {ratio:.2f}")


if __name__ == "__main__":
    main()
