"""Speed of encoding texts from disk to Parquet, against one text at a time in the same run.

usage: python benchmarks/encoding.py --run RUN --data FILE [--rows N] [--json FILE]

RUN is a run of the recipe ``vae``, whose weights the plain way takes: it tokenises a line, runs nn.LSTM over it and
keeps the mean. The lines of FILE are repeated until there are N. Each size is encoded in a process of its own, whose
largest resident set is its peak. The ceiling is the fastest product of the shape of a step of the recurrence, on one
thread, timed before and after. The process asks for as many threads as OMP_NUM_THREADS says.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from baseline import PlainTextVAE

import latentia
from latentia import operations
from latentia.data import Columns, read_texts
from latentia.models import TextModel
from latentia.records import Batch

PLAIN_ROWS, STEP_ROWS, WIDEST_DIFFERENCE = 500, 512, 1e-4


def main() -> None:
    """Measure, print and write."""
    arguments = _arguments()
    if arguments.child:
        print(json.dumps(_encode(arguments.run, arguments.data, Path(arguments.child))))
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = _figures(arguments, Path(folder))
    _show(figures)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1))
    if figures["largest_difference"] > WIDEST_DIFFERENCE:
        sys.exit("the two do not give the same codes")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, type=Path, help="a run folder of the recipe vae")
    parser.add_argument("--data", required=True, help="a .txt file, one sentence a line")
    parser.add_argument(
        "--rows", type=int, default=100_000, help="sentences of the larger size; the other is a quarter"
    )
    parser.add_argument("--json", help="write the figures here")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _figures(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """All measurements; the children first, while this process, at whose size theirs begin, is small."""
    sizes = {}
    for rows in (arguments.rows // 4, arguments.rows):
        data, out = folder / f"{rows}.txt", folder / f"{rows}.parquet"
        with data.open("w") as stream:
            stream.writelines(f"{text}\n" for text in islice(cycle(read_texts([arguments.data], Columns())), rows))
        own = [sys.executable, __file__, "--run", str(arguments.run), "--data", str(data), "--child", str(out)]
        sizes[rows] = json.loads(subprocess.run(own, check=True, stdout=subprocess.PIPE, text=True).stdout)
    space = latentia.load(arguments.run)
    ceilings = [_ceiling(space.model)]
    plain = _plain(space, out)
    recurrence = space.model.encoder.recurrence
    return {
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "sizes": sizes,
        **plain,
        "flops_a_token": 8.0 * recurrence.hidden_size**2,
        "flops_a_token_as_written": 8.0 * recurrence.hidden_size * (recurrence.hidden_size + recurrence.input_size),
        "ceiling_gflops": max(*ceilings, _ceiling(space.model)),
    }


def _encode(run: Path, data: str, out: Path) -> dict[str, float]:
    """Encode a file; loading the run is not counted."""
    space = latentia.load(run)
    space.encode(["the"])
    before = _peak()
    (wall, worked), written = _timed(
        lambda: operations.write(operations.encode(space, read_texts([data], Columns())), out)
    )
    words = sum(text.count(" ") + 2 for text in read_texts([data], Columns()))
    return {
        "rows": written.rows,
        "seconds": wall,
        "processor": worked,
        "tokens_a_row": words / written.rows,
        "peak_memory_gb": _peak(),
        "memory_before_gb": before,
    }


def _plain(space: latentia.TextSpace, out: Path) -> dict[str, float]:
    """Encode some of the texts one at a time, and compare the codes."""
    table = pq.read_table(out)
    chosen = np.linspace(0, len(table) - 1, min(PLAIN_ROWS, len(table))).astype(int)
    texts, codes = table["text"].take(chosen).to_pylist(), np.stack(table["code"].take(chosen).to_pylist())
    plain = PlainTextVAE(space.tokenizer.vocabulary_size, *_sizes(space.model)).eval()
    # Layer for layer the two models have the same order and shapes; only the names differ.
    plain.load_state_dict(dict(zip(plain.state_dict(), space.model.state_dict().values(), strict=True)))

    @torch.no_grad()
    def one_at_a_time() -> list[torch.Tensor]:
        return [plain.infer(Batch.collate([space.tokenizer.encode(text)]))[0][0] for text in texts]

    one_at_a_time()
    (wall, worked), found = _timed(one_at_a_time)
    return {
        "plain_rows_a_second": len(texts) / wall,
        "plain_rows_a_processor_second": len(texts) / worked,
        "largest_difference": float(np.abs(torch.stack(found).numpy() - codes).max()),
    }


def _sizes(model: TextModel) -> tuple[int, int, int]:
    recurrence = model.encoder.recurrence
    return recurrence.input_size, recurrence.hidden_size, model.latent_dim


def _timed(work: Callable[[], object]) -> tuple[tuple[float, float], object]:
    """Wall and processor time in seconds, and the result."""
    begin, worked = time.perf_counter(), time.process_time()
    result = work()
    return (time.perf_counter() - begin, time.process_time() - worked), result


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


@torch.no_grad()
def _ceiling(model: TextModel) -> float:
    """The fastest product of a step of the recurrence, in GFLOP/s of one thread."""
    weight, seconds = model.encoder.recurrence.all_weights[0][1], []
    states, product = torch.randn(STEP_ROWS, weight.shape[1]), torch.empty(STEP_ROWS, weight.shape[0])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(50):
        begin = time.perf_counter()
        torch.mm(states, weight.T, out=product)
        seconds.append(time.perf_counter() - begin)
    torch.set_num_threads(threads)
    return 2.0 * product.numel() * weight.shape[1] / min(seconds) / 1e9


def _show(figures: dict[str, object]) -> None:
    print(
        f"{figures['threads']} thread(s), load {figures['load']:.1f}; "
        f"one thread's ceiling {figures['ceiling_gflops']:.0f} GFLOP/s"
    )
    for size in figures["sizes"].values():
        wall, worked = size["rows"] / size["seconds"], size["rows"] / size["processor"]
        done, written = (
            worked * size["tokens_a_row"] * figures[key] / 1e9 for key in ("flops_a_token", "flops_a_token_as_written")
        )
        print(
            f"  {size['rows']:>9,} rows: {wall:>7,.0f} a second, {worked:,.0f} a second of processor time; "
            f"recurrence {done:.0f} GFLOP/s ({done / figures['ceiling_gflops']:.0%} of the ceiling; as written "
            f"{written:.0f}); peak {size['peak_memory_gb']:.3f} GB, {size['memory_before_gb']:.3f} before"
        )
    largest = list(figures["sizes"].values())[-1]
    wall = largest["rows"] / largest["seconds"] / figures["plain_rows_a_second"]
    worked = largest["rows"] / largest["processor"] / figures["plain_rows_a_processor_second"]
    print(
        f"one text at a time: {figures['plain_rows_a_second']:,.0f} a second; "
        f"ratio {wall:.1f}, by processor time {worked:.1f}"
    )
    print(f"largest difference of the codes {figures['largest_difference']:.1e}")


if __name__ == "__main__":
    main()
