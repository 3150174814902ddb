"""What new texts of a trained space do for classifiers that have few, with intervals.

usage: python benchmarks/augmentation.py --run RUN --data DIR [--text COLUMN] [--label COLUMN] [--methods A,B]
       [--sizes 10,50,100] [--lines N] [--copies N] [--threshold P] [--strength A]

DIR holds train.tsv and test.tsv (or .jsonl, .csv, .parquet). Subsets are drawn from the first lines of the one, all
is tested on the first lines of the other, and a test text that is among the former is taken out of them. The baselines
are those of `latentia augment --evaluate`. The run may have been trained on the text of train, which is how a space
trained without labels is used where labels are few. Test texts that it was trained on, or its weights were chosen by,
are left out and counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np

from latentia.data import Columns, ReadReport
from latentia.data.reading import read_records
from latentia.decoding import Beam
from latentia.errors import LatentiaError
from latentia.operations import TextSpace
from latentia.operations.augmentation_gain import gains_on
from latentia.operations.examples import Examples, examples_of
from latentia.operations.gain import Gain
from latentia.operations.novelty import Method, Plan
from latentia.recipes.runs import load

FORMATS = ("tsv", "jsonl", "csv", "parquet")


def main() -> None:
    """Print one measurement a method; rows of the baselines once."""
    given = _arguments()
    space, columns = load(given.run), Columns(given.text, given.label)
    pool, test = (_examples(space, _file(given.data, split), columns, given.lines) for split in ("train", "test"))
    pool = _without(pool, test, space)
    sizes = [int(size) for size in given.sizes.split(",")]
    for number, method in enumerate(given.methods.split(",")):
        plan = Plan(method, given.copies, given.strength, given.threshold, given.seed, Beam())
        start = time.perf_counter()
        for answer in gains_on(space, pool, test, plan, sizes):
            if number == 0 or not isinstance(answer, Gain) or answer.method == method:
                print(answer, flush=True)
        print(f"{method}: {time.perf_counter() - start:.0f} s\n", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="label")
    parser.add_argument("--methods", default=",".join(get_args(Method)))
    parser.add_argument("--sizes", default="10,50,100")
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _file(folder: Path, split: str) -> Path:
    found = [path for form in FORMATS if (path := folder / f"{split}.{form}").exists()]
    return found[0] if found else sys.exit(f"{folder} holds no {split} file of {', '.join(FORMATS)}")


def _examples(space: TextSpace, file: Path, columns: Columns, lines: int) -> Examples:
    records = islice(read_records([str(file)], columns, ReadReport()), lines)
    pairs: Iterator[tuple[str, str]] = ((each.text, each.label) for each in records)
    examples, refused = examples_of(space, pairs)
    print(f"{file.name}: {len(examples):,} texts, {len(refused)} that the model cannot read")
    return examples


def _without(pool: Examples, test: Examples, space: TextSpace) -> Examples:
    """Take out of the pool what is in the test part, and what comes twice."""
    known = set(map(tuple, space.tokenizer.encode_batch(test.texts)))
    rows = []
    for row, ids in enumerate(map(tuple, space.tokenizer.encode_batch(pool.texts))):
        if ids not in known:
            known.add(ids)
            rows.append(row)
    return pool.at(np.array(rows))


if __name__ == "__main__":
    try:
        main()
    except LatentiaError as error:
        sys.exit(str(error))
