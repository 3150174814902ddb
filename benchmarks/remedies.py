"""Every remedy of the library under one protocol: trained at one budget, evaluated alike, in one table.

usage: python benchmarks/remedies.py --data DIR [--runs DIR] [--results DIR] [--passes N] [--rows A,B] [--seeds N]
       [--table FILE]

DIR of --data holds train.txt, valid.txt and test.txt. Each recipe is trained for the same number of passes over the
training set, in its own batches, with all its schedules scaled to that; --passes 0 trains each as long as it says. A
recipe whose algorithm makes a step cost more than twice a plain one is given as many fewer steps, but no fewer than a
tenth. What is done is not done again: interrupted rows are resumed, and the table is written anew from all that is
there. Of each row that is done the recipe, the evaluation and the records of training are copied to --results, which is
all that the table needs: rows made on several machines meet there. A FILE of --table that has the lines
<!-- rows --> and <!-- end --> is kept, but for what is between them.

A row is a recipe, or one with a setting changed, its value as in a recipe:
`--rows density-gap:objective.aggregation_size=4`; `--rows ablation` stands for the density gap with groups of 1 to the
whole batch, `--rows controls` for recipes beside which others are read.

The cost of a step is a ratio of processor times, to the recipe `vae` on the same batches by turns, median of turns.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from latentia.data import Columns, Corpus, Loader, build_corpus, read_texts
from latentia.errors import LatentiaError, RunError
from latentia.evaluation.comparison import as_markdown
from latentia.recipes import Recipe, load_recipe
from latentia.recipes.compare import compare_rows
from latentia.recipes.library import parse_yaml
from latentia.recipes.measure import Texts, evaluate_run, measures_of
from latentia.recipes.runs import Sources, resume_run, start_run
from latentia.records import Batch
from latentia.training.loop import Trainer

# fmt: off
ROWS = (
    "vae", "inputless",
    "density-gap", "density-gap-joint", "density-gap-vmf",
    "pooling-mean", "pooling-max", "pooling-abs",
    "delta", "delta-ar1",
    "word-dropout", "adversarial-dropout", "adversarial-dropout-hard",
    "bn", "moment-matched",
    "free-bits-dimension", "free-bits-example", "free-bits-total", "fbp", "beta", "cyclical",
    "lagging", "semi-amortised", "skip", "bag-of-words",
    "vmf", "vmf-learned", "power-spherical",
    "aae", "wae", "infovae", "daae", "daae-blank", "daae-substitute", "daae-shuffle", "laae",
    "ivae", "ivae-mi",
    "default", "best",
)
# fmt: on
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
ABLATION = tuple(f"density-gap:objective.aggregation_size={size}" for size in SIZES)
CONTROLS = (
    "vae:objective.weight.kind=Constant",
    "word-dropout:model.decoder.dropout.words=0.6",
    "adversarial-dropout-hard:model.mask.rate=0.6",
    "adversarial-dropout-hard:model.mask.strength=1000",
)
NAMED = {"ablation": ABLATION, "controls": CONTROLS}
SAMPLES, EVERY, DECODED = 500, 20, 500
MEASURES = measures_of(("DiscriminatorAccuracy", "WordDeletion"), [("WordDeletion.sequences", 10_000)])
"""What the table does not show and the pages quote."""
EXPENSIVE, LEAST = 2.0, 0.1
"""A step that costs more than so many plain ones has its budget of steps divided, down to a tenth."""
UNLIMITED = ("training.max_steps", 0)
TURNS, TURN = 7, 3
BEGIN, END = "<!-- rows -->\n", "<!-- end -->"
"""Marks of a page between which the table stands."""

CONSOLE = Console()


@dataclass(frozen=True)
class Protocol:
    """What all rows share."""

    data: Path
    runs: Path
    results: Path
    passes: int
    seeds: Sequence[int]

    def folder(self, name: str, seed: int) -> Path:
        """Return the run folder of a row."""
        return self.runs / self._name(name, seed)

    def result(self, name: str, seed: int) -> Path:
        """Return the folder of what a row's table needs."""
        return self.results / self._name(name, seed)

    def _name(self, name: str, seed: int) -> str:
        return f"{name.replace(':', '-').replace('=', '-')}-{self.passes}-{seed}"

    def file(self, split: str) -> str:
        """Return a file of the corpus."""
        return str(self.data / f"{split}.txt")


def main() -> None:
    """Train, evaluate and tabulate what is not done yet."""
    protocol, names, table = _arguments()
    protocol.runs.mkdir(parents=True, exist_ok=True)
    protocol.results.mkdir(parents=True, exist_ok=True)
    _require_same_data(protocol)
    for seed in protocol.seeds:
        for name in names:
            try:
                done = _row(protocol, name, seed)
            except LatentiaError as error:
                CONSOLE.print(f"{name}, seed {seed}, is left out: {error}")
                continue
            if not done:
                raise KeyboardInterrupt
            _write_table(protocol, names, table)


def _arguments() -> tuple[Protocol, list[str], Path]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/remedies"))
    parser.add_argument("--results", type=Path, default=Path("runs/remedies/results"))
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--table", type=Path, default=Path("runs/remedies/table.md"))
    given = parser.parse_args()
    protocol = Protocol(given.data, given.runs, given.results, given.passes, range(1, given.seeds + 1))
    return protocol, list(NAMED.get(given.rows) or given.rows.split(",")), given.table


def _require_same_data(protocol: Protocol) -> None:
    """Keep the rows of one corpus in one folder."""
    note, data = protocol.runs / "data.txt", str(protocol.data.resolve())
    if note.exists() and note.read_text() != data:
        sys.exit(f"{protocol.runs} holds rows of {note.read_text()}; name another folder with --runs")
    note.write_text(data)


def _row(protocol: Protocol, name: str, seed: int) -> bool:
    """Do what is left of a row; tell whether it is done."""
    folder, result = protocol.folder(name, seed), protocol.result(name, seed)
    if (result / "evaluation.json").exists():
        _require_same_recipe(protocol, name, result)
        return True
    CONSOLE.rule(folder.name)
    finished = _finished(folder) or _trained(protocol, name, seed)
    if finished:
        (folder / "finished").touch()
        evaluate_run(folder, Texts([protocol.file("test")]), SAMPLES, 0, CONSOLE, EVERY, DECODED, MEASURES)
        _keep(folder, result)
    return finished


def _require_same_recipe(protocol: Protocol, name: str, result: Path) -> None:
    """Take no row for that of a recipe which was changed since; how many steps it was given hung on its cost then."""
    asked = _with_passes(_recipe(name), protocol).with_settings([UNLIMITED])
    if asked.method != load_recipe(str(result / "recipe.yaml")).with_settings([UNLIMITED]).method:
        raise RunError(
            f"{result} was made with other settings than {name} has now", "move it away to have the row made again"
        )


def _keep(folder: Path, result: Path) -> None:
    """Copy what the table needs; the evaluation last, because it says that all is there."""
    result.mkdir(parents=True, exist_ok=True)
    for name in ("recipe.yaml", "metrics.jsonl"):
        shutil.copy(folder / name, result / name)
    evaluation = json.loads((folder / "evaluation.json").read_text())
    evaluation["data"] = [Path(each).name for each in evaluation["data"]]  # where they lie is nothing to others
    (result / "evaluation.json").write_text(json.dumps(evaluation, indent=1) + "\n")


def _trained(protocol: Protocol, name: str, seed: int) -> bool:
    """Train a row, or go on with it; tell whether it ended of itself."""
    folder = protocol.folder(name, seed)
    if any(folder.glob("checkpoints/step-????????")):
        return resume_run(folder, CONSOLE)
    shutil.rmtree(folder, ignore_errors=True)
    recipe = _budgeted(_recipe(name), protocol, _cost(protocol, name))
    sources = Sources([protocol.file("train")], [protocol.file("valid")], Columns())
    return start_run(sources, recipe, folder, seed, CONSOLE)


def _recipe(name: str) -> Recipe:
    """Return the recipe of a row, with the setting that its name may hold."""
    base, _, setting = name.partition(":")
    key, _, value = setting.partition("=")
    return load_recipe(base).with_settings([(key, parse_yaml(value, name))] if setting else [])


def _finished(folder: Path) -> bool:
    return (folder / "finished").exists()


def _budgeted(recipe: Recipe, protocol: Protocol, cost: float) -> Recipe:
    """Return the recipe with the protocol's passes, and with fewer steps where one of them costs many."""
    recipe = _with_passes(recipe, protocol)
    if protocol.passes == 0 or cost <= EXPENSIVE:
        return recipe
    with Path(protocol.file("train")).open(encoding="utf-8") as lines:
        sentences = sum(1 for _ in lines)
    steps = protocol.passes * sentences / recipe.training().batch_size
    return recipe.with_settings([("training.max_steps", round(steps * max(LEAST, 1 / cost)))])


def _with_passes(recipe: Recipe, protocol: Protocol) -> Recipe:
    return recipe.with_settings([("training.epochs", protocol.passes)] if protocol.passes else [])


def _cost(protocol: Protocol, name: str) -> float:
    """Time of a step of the recipe as a multiple of that of the recipe ``vae``; measured once."""
    path = protocol.results / "costs" / f"{name.replace(':', '-')}.json"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(round(_measured_cost(protocol, _recipe(name)), 3)))
    return float(json.loads(path.read_text()))


def _measured_cost(protocol: Protocol, recipe: Recipe) -> float:
    """Take steps of the recipe and of ``vae`` on the same batches by turns; return the median ratio of times."""
    with tempfile.TemporaryDirectory() as scratch:
        corpus, vocabulary = _corpus(protocol, recipe, Path(scratch))
        training = recipe.training()
        loader = Loader(corpus, training.batching, training.batch_size, 0, np.arange(len(corpus)))
        timed = [_Timed(each, vocabulary, loader, Path(scratch)) for each in (recipe, load_recipe("vae"))]
        batches = (batch for batch in loader.epoch(0) if len(batch) == training.batch_size)
        ratios = []
        for _ in range(TURNS):
            turn = [next(batches) for _ in range(TURN)]
            ours, plain = (each.seconds(turn) for each in timed)
            ratios.append(ours / plain)
    return statistics.median(ratios[1:])


def _corpus(protocol: Protocol, recipe: Recipe, scratch: Path) -> tuple[Corpus, int]:
    data, files = recipe.data(), [protocol.file("train")]
    tokenizer = data.tokenizer.train(read_texts(files, Columns()))
    corpus, _ = build_corpus(files, Columns(), tokenizer, scratch / "train.arrow", data.max_tokens)
    return corpus, tokenizer.vocabulary_size


class _Timed:
    """Steps of a recipe's plan."""

    def __init__(self, recipe: Recipe, vocabulary: int, loader: Loader, scratch: Path) -> None:
        self.trainer = Trainer(recipe.model(vocabulary).train(), recipe.objective(), recipe.training(), scratch, 0)
        self.trainer.loader, self.trainer.total = loader, 10_000

    def seconds(self, batches: Sequence[Batch]) -> float:
        begin = time.process_time()  # whatever else the machine does
        for batch in batches:
            self.trainer.progress.step += 1
            self.trainer.settings.plan.step(batch, self.trainer)
        return time.process_time() - begin


def _write_table(protocol: Protocol, names: Sequence[str], table: Path) -> None:
    """Write the table of all rows that are evaluated, in the order of ``ROWS``, with steps and the cost of one."""
    done = {
        name: [path for seed in protocol.seeds if (path := protocol.result(name, seed) / "evaluation.json").exists()]
        for name in dict.fromkeys((*ROWS, *CONTROLS, *ABLATION, *names))
    }
    done = {name: [path.parent for path in paths] for name, paths in done.items() if paths}
    header, *rows = compare_rows(done)
    named = [[*row, f"{_steps(done[row[0]][0]):,}", f"{_cost(protocol, row[0]):.2f}"] for row in rows]
    columns = ["recipe", *header[1:], "steps", "time of a step, vae on the same batches = 1"]
    _put(as_markdown([columns, *named]), table)


def _put(rows: str, table: Path) -> None:
    """Write the rows, or put them between the marks of a page that has such."""
    table.parent.mkdir(parents=True, exist_ok=True)
    page = table.read_text(encoding="utf-8") if table.exists() else ""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    table.write_text(f"{before}{begin}\n{rows}\n\n{end}{after}" if begin and end else f"{rows}\n", encoding="utf-8")


def _steps(folder: Path) -> int:
    """Return the steps that a run took."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return max(int(json.loads(line)["step"]) for line in lines)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; run the same command again to go on from what was last saved")
