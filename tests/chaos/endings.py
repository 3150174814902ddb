"""How the opening of each hostile artefact has to end: docs/reliability.md says it of the file in whose place it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from latentia import errors
from latentia.errors import DataError, InputError, LatentiaError, RecipeError, RunError, StorageError
from tests.chaos.children import UNTYPED, Outcome
from tests.chaos.injections import SPOKEN

SET_ASIDE = "set aside"


@dataclass(frozen=True)
class Ending:
    """An error that names something, or none.

    Attributes:
        error: The kind of error; nothing where the artefact does no harm and is passed over.
        named: What has to be said; the name of the file without it.
    """

    error: type[LatentiaError] | None = None
    named: str = ""

    def missed_by(self, outcome: Outcome, said: str, touched: set[str]) -> str:
        """Say what else happened."""
        wanted = self.error.exit_code if self.error else 0
        found = outcome.code, _kinds(said)
        if outcome.code == UNTYPED or found != (wanted, {self.error.__name__} if self.error else set()):
            return f"exit code {outcome.code}, {said[-400:]}"
        named = [self.named] if self.named else [Path(each).name for each in touched] if self.error else [""]
        return "" if any(each in said for each in named) else f"{named} is not named: {said[-400:]}"


def _kinds(said: str) -> set[str]:
    """Kinds of errors at the beginnings of lines."""
    return {line.partition(":")[0] for line in said.splitlines()} & {*dir(errors)}


PASSED_OVER = Ending()
OLDER = Ending(None, SET_ASIDE)

BY_FILE: dict[str, dict[str, Ending]] = {
    "folder": {
        **dict.fromkeys(("model.safetensors", "tokenizer.json", "config.json"), Ending(RunError)),
        **dict.fromkeys(("evaluation.json", "manifest.json"), Ending(RunError)),
        "tokenizer_config.json": PASSED_OVER,
    },
    "run": {
        "recipe.yaml": Ending(RecipeError),
        "model.safetensors": Ending(RunError),
        **dict.fromkeys(("run.json", "manifest.json"), Ending(RunError)),
        **dict.fromkeys(("metrics.jsonl", "evaluation.json", ".model.safetensors.tmp"), PASSED_OVER),
        "state.json": OLDER,
        "run.lock": Ending(StorageError),
        "checkpoints": Ending(RunError),
        "train.arrow": Ending(DataError),
    },
    "measured": {"train.arrow": Ending(DataError)},
    "corpus": dict.fromkeys(("corpus.txt.gz", "corpus.parquet", "corpus.parquet.gz", "corpus.csv"), Ending(DataError)),
    "codes": dict.fromkeys(("codes.npy", "codes.parquet"), Ending(DataError)),
    "set": {"set": Ending(RecipeError)},
    "sealed run": {"tokenizer.json": Ending(RunError)},
}
BY_FILE["sealed"] = BY_FILE["served"] = BY_FILE["folder"]
"""What is attacked, and the file."""

UNFIT = Ending(RunError, "model.safetensors")
NO_RUN = Ending(RunError, "it has no recipe.yaml")
NO_CHECKPOINT = Ending(RunError, "no whole checkpoint")

BY_NAME: dict[str, Ending] = {
    "kind ": Ending(RecipeError, "model.encoder.kind"),
    "key ": Ending(RecipeError, "unknown key model.encoder."),
    "size 1000000000": UNFIT,
    "size 1000000000000": UNFIT,
    "hidden size 10000000": UNFIT,
    "size ": Ending(RecipeError, "model.latent_dim"),
    "hidden size 10000000000": Ending(RecipeError, "lower the sizes of model"),
    "a hundred thousand keys": Ending(RecipeError, "model.encoder"),
    "a recipe that nests 400 deep": Ending(RecipeError, "model.encoder"),
    "steps without end": Ending(RecipeError, "model.refinement.steps"),
    "draws without end": Ending(RecipeError, "model.refinement.draws"),
    "a text of a million million tokens": Ending(RecipeError, "data.max_tokens"),
    "a schedule that is a list": Ending(RecipeError, "objective.weight"),
    "a pipe as config.json": NO_RUN,
    "an endless device as config.json": NO_RUN,
    "a folder as config.json": NO_RUN,
    "a pipe as recipe.yaml": NO_RUN,
    "a file that it extends": Ending(RecipeError, "../../etc/passwd"),
    "an address that it extends": Ending(RecipeError, "http://127.0.0.1/x"),
    "a tokenizer with another vocabulary": UNFIT,
    "a tokenizer with one token more": UNFIT,
    "a tokenizer with one token fewer": UNFIT,
    "a poisoned number ": Ending(RunError, "is not finite at"),
    "weights of 1e-40": PASSED_OVER,
    "a manifest that names ": PASSED_OVER,
    **{f"{told} is told of ": Ending(RecipeError, told) for told in SPOKEN},
    "no KEY=VALUE is told of ": Ending(InputError, "no KEY=VALUE"),
    "truncation ": PASSED_OVER,
    "padding": PASSED_OVER,
    "a decoder of too much": Ending(InputError, "Strip"),
    "pieces of no length": Ending(RunError, "restore tokenizer.json"),
    "a shape of 1,000 dimensions, in a checkpoint": Ending(RunError, "optimizer.safetensors"),
    "model.safetensors of a checkpoint with ": OLDER,
    "evaluation.json of two gigabytes of nothing": Ending(RunError),
    "metrics.jsonl of two gigabytes of nothing": Ending(RunError),
    "progress {'epoch': 0, 'position': 4}": PASSED_OVER,
    "progress ": NO_CHECKPOINT,
    "a quote that is never closed": PASSED_OVER,
}
"""Endings of others, by the beginning of their name; the longest counts."""


def ending_of(name: str, victim: str, touched: set[str]) -> Ending:
    """Return how an attack has to end."""
    begun = [
        beginning for beginning in BY_NAME if name == beginning or (beginning[-1] == " " and name.startswith(beginning))
    ]
    if begun:
        return BY_NAME[max(begun, key=len)]
    return next(BY_FILE[victim][_file(Path(each))] for each in sorted(touched))


def _file(path: Path) -> str:
    """Return the name of a file; all those of a checkpoint stand for one another."""
    return "state.json" if "checkpoints" in path.parts[:-1] else path.name
