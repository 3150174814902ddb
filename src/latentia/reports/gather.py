"""What figures and tables read of a run, each part when it is first asked for."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from latentia.data import Selection
from latentia.distributions import CodeDistribution, concatenated, units_of
from latentia.durable import read_bounded
from latentia.errors import InputError, RunError
from latentia.evaluation.diagnosis import Verdict
from latentia.evaluation.nearest import NearestSequences
from latentia.evaluation.table import rows_of_table
from latentia.operations import TextSpace
from latentia.recipes.runs import open_run, records_of, seed_of, sources_of, training_rows, validation_rows
from latentia.reports.planes import Plane, gaussian_rows, telling_planes

ENCODED, BATCH = 4000, 128


class NotMeasuredError(InputError):
    """A figure needs numbers that a run does not have, or that mean nothing for it."""


@dataclass(frozen=True)
class Encoded:
    """Posteriors of validation sequences.

    Attributes:
        rows: Row of the corpus of each.
        posteriors: One row a sequence, or one a step.
    """

    rows: Int[Tensor, " N"]
    posteriors: CodeDistribution


class RunView:
    """A run as reports see it.

    Args:
        folder: The run folder.
        name: What it is called among the others.
        seed: Of what is drawn and chosen.

    Raises:
        RunError: If the folder is no run, or a file of it is damaged.
    """

    def __init__(self, folder: Path, name: str, seed: int = 0) -> None:
        """Open the best weights."""
        self.folder, self.name, self.seed = folder, name, seed
        self.model, self.tokenizer, self.recipe = open_run(folder)

    @cached_property
    def space(self) -> TextSpace:
        """The space to decode in."""
        return TextSpace(self.model, self.tokenizer, self.recipe.data().max_tokens)

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        """What ``latentia evaluate`` wrote; empty before.

        Raises:
            RunError: If another version wrote it, or it is damaged.
        """
        path = self.folder / "evaluation.json"
        if not path.is_file():
            return {}
        result = _object(path)
        try:
            rows_of_table(result)
        except (KeyError, TypeError, ValueError):
            raise RunError(f"{path} is of another version, or damaged", f"run `{self.to_evaluate}` again") from None
        return result

    @property
    def to_evaluate(self) -> str:
        """The command that evaluates it."""
        return shlex.join(["latentia", "evaluate", str(self.folder)])

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """What ``latentia diagnose`` found.

        Raises:
            RunError: If there is no diagnosis, or it is damaged.
        """
        path = self.folder / "diagnosis.json"
        try:
            return TypeAdapter(list[Verdict]).validate_python(_object(path)["verdicts"])
        except (KeyError, ValidationError):
            remedy = f"run `{shlex.join(['latentia', 'diagnose', str(self.folder)])}` again"
            raise RunError(f"{path} is no diagnosis", remedy) from None

    @property
    def diagnosed(self) -> bool:
        """Whether ``latentia diagnose`` was run."""
        return (self.folder / "diagnosis.json").is_file()

    @cached_property
    def environment(self) -> dict[str, Any]:
        """What the numbers may depend on."""
        return _object(self.folder / "environment.json")

    def records(self, split: str) -> list[dict[str, Any]]:
        """Records of ``train`` or ``validation``; torn ones, and numbers that are not finite, are left out."""
        return [_finite(record) for record in self._records if record.get("split") == split and "step" in record]

    @cached_property
    def _records(self) -> list[dict[str, Any]]:
        return records_of(self.folder)

    @property
    def command(self) -> str:
        """The command that trains the run again, from the recipe in its folder."""
        sources = sources_of(self.folder)
        words = ["latentia", "train", *sources.train]
        words += [word for file in sources.valid for word in ("--valid", file)]
        words += ["--text", sources.columns.text] if sources.columns.text != "text" else []
        words += ["--label", sources.columns.label] if sources.columns.label else []
        words += ["--recipe", str(self.folder / "recipe.yaml"), "--seed", str(seed_of(self.folder))]
        return shlex.join([*words, "--out", f"{self.folder}-again"])

    @cached_property
    def validation(self) -> Selection:
        """Validation sequences, in an order that the seed decides."""
        return Selection(*validation_rows(self.folder)).shuffled(self.seed)

    @cached_property
    def training(self) -> Selection:
        """The sequences that it was trained on."""
        return Selection(*training_rows(self.folder))

    @cached_property
    def nearest(self) -> NearestSequences:
        """Finds the nearest training sequence."""
        return NearestSequences(self.training)

    @cached_property
    def encoded(self) -> Encoded:
        """Posteriors of at most 4,000 validation sequences."""
        with torch.no_grad():
            batches = list(self.validation.first(ENCODED).batches(BATCH))
            posteriors = concatenated([units_of(self.model.infer(batch)) for batch in batches])
        return Encoded(torch.cat([batch.index for batch in batches]), posteriors)

    @property
    def prior(self) -> CodeDistribution:
        """The prior of what is encoded."""
        with torch.no_grad():
            return self.model.unit_prior()

    @cached_property
    def planes(self) -> Sequence[Plane]:
        """The planes that tell most; none without Gaussian posteriors of whole codes of two dimensions or more."""
        if not self.model.whole_codes or self.model.latent_dim < 2 or not gaussian_rows(self.encoded.posteriors):
            return ()
        with torch.no_grad():
            return telling_planes(self.encoded.posteriors, self.prior)

    def require_evaluation(self) -> dict[str, Any]:
        """Return the evaluation.

        Raises:
            NotMeasuredError: If there is none.
        """
        if not self.evaluation:
            raise NotMeasuredError(f"{self.name} has no evaluation", f"run `{self.to_evaluate}`")
        return self.evaluation


def views_of(folders: Sequence[Path], seed: int = 0) -> list[RunView]:
    """Open runs, each named by its folder, or by its whole path where two folders have one name.

    Raises:
        InputError: If a run is given twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("a run is given twice", "name each run once")
    names = [folder.resolve().name for folder in folders]
    unique = len(set(names)) == len(names)
    return [RunView(folder, name if unique else str(folder), seed) for folder, name in zip(folders, names, strict=True)]


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """Leave out what no axis can show."""
    return {name: value for name, value in record.items() if not isinstance(value, float) or math.isfinite(value)}


def _object(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty where there is none."""
    tree = _parsed(read_bounded(path).decode(errors="replace")) if path.is_file() else {}
    return tree if isinstance(tree, dict) else {}


def _parsed(text: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
