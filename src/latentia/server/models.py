"""The models of a server: a table that is made when it starts, of which a request names a key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from latentia.errors import InputError, LatentiaError
from latentia.operations import TextSpace
from latentia.server.batching import Worker
from latentia.server.problems import ProblemError

OTHERS = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Served:
    """A model and the thread that answers for it."""

    name: str
    space: TextSpace
    worker: Worker

    def describe(self) -> dict[str, object]:
        """Return what a client must know of it."""
        model = self.space.model
        return {
            "id": self.name,
            "object": "model",
            "owned_by": "latentia",
            "latent_dim": model.latent_dim,
            "max_tokens": self.space.max_tokens,
            "vocabulary_size": self.space.tokenizer.vocabulary_size,
            "whole_codes": model.whole_codes,
            "knows_training": self.space.knows_training,
            "labels": self.labels,
        }

    @cached_property
    def labels(self) -> list[str]:
        """Labels of the training texts; none if these are not at hand."""
        try:
            return list(self.space.training.corpus.label_names)
        except LatentiaError:
            return []


class Table(Mapping[str, Served]):
    """Models by name.

    Args:
        served: All that there will be.
    """

    def __init__(self, served: Sequence[Served]) -> None:
        """Keep them."""
        self._served = {each.name: each for each in served}

    def __getitem__(self, name: str) -> Served:
        """Return a model."""
        return self._served[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._served)

    def __len__(self) -> int:
        """Count the models."""
        return len(self._served)

    def named(self, name: str) -> Served:
        """Return a model that a request names.

        Raises:
            ProblemError: If there is none of this name.
        """
        if name not in self._served:
            raise ProblemError(404, "there is no model of this name", "see GET /v1/models")
        return self._served[name]


def names_of(folders: Sequence[Path]) -> list[str]:
    """Name models by their folders; characters that mean something in an address become dashes.

    Raises:
        InputError: If two have the same name.

    >>> names_of([Path("runs/a b"), Path("/other/c")])
    ['a-b', 'c']
    """
    names = [OTHERS.sub("-", folder.resolve().name).strip(".-") or "model" for folder in folders]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{len(folders)} runs are given, of which two are called {min(twice)}", "rename a folder")
    return names
