"""The whole of a recipe."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentia.data import TokenizerKind
from latentia.errors import RecipeError, RunError, reason_of
from latentia.models import TextModel
from latentia.objectives import Objective
from latentia.recipes.build import Settings, build, build_part, takes, validate
from latentia.shapes import InnerShare, TokenCount
from latentia.training import Training
from latentia.training.weights import load_tensors, longest

DEEPEST = 32
"""Sections within one another that a path may name; recipes have about five."""

SHOWN = 80
"""Characters of a longer path that are shown."""


class About:
    """What a recipe is for.

    Args:
        summary: What it is, in one line.
        source: Authors, year, title.
        expected: What it measures where, with the command.
    """

    def __init__(self, summary: str = "", source: str = "", expected: str = "") -> None:
        """Take the texts."""
        self.summary, self.source, self.expected = summary, source, expected


class Data:
    """How text becomes sequences.

    Args:
        tokenizer: How text is cut.
        max_tokens: Longer sequences are left out, and counted.
        validation_share: Share held out by a hash of the text where no validation file is given.
    """

    def __init__(
        self, tokenizer: TokenizerKind, max_tokens: TokenCount = 256, validation_share: InnerShare = 0.05
    ) -> None:
        """Take the settings."""
        self.tokenizer, self.max_tokens, self.validation_share = tokenizer, max_tokens, validation_share


class Recipe:
    """Validated settings of a run; its parts are built when the vocabulary is known.

    Args:
        settings: The tree of a recipe file; ``about`` may be left out.

    Raises:
        RecipeError: For anything that the constructors named in it would not take.
    """

    def __init__(self, settings: Settings) -> None:
        """Validate every section."""
        self.settings = _validated({"about": {}, **settings})

    @property
    def method(self) -> Settings:
        """What a run hangs on: the settings without what the recipe says of itself."""
        return {section: value for section, value in self.settings.items() if section != "about"}

    def data(self) -> Data:
        """Build the data settings."""
        data: Data = build(Data, self.settings["data"], {})
        return data

    def model(self, vocabulary_size: int) -> TextModel:
        """Build the model, with fresh weights.

        Raises:
            RecipeError: If no memory holds it.
        """
        try:
            model: TextModel = build_part(TextModel, self.settings["model"], {"vocabulary_size": vocabulary_size})
        except (RuntimeError, MemoryError, OverflowError) as error:
            raise RecipeError(
                f"the recipe's model cannot be built ({reason_of(error)})", "lower the sizes of model"
            ) from None
        return model

    def outline(self, vocabulary_size: int) -> TextModel:
        """Build the model without its numbers.

        Raises:
            RecipeError: If there can be no such model.
        """
        with torch.device("meta"):
            return self.model(vocabulary_size)

    def longest_weights(self, vocabulary_size: int) -> int:
        """Return a bound on the bytes of a file of the model's weights, of whatever type of number."""
        return longest(self.outline(vocabulary_size).state_dict())

    def trained_model(self, vocabulary_size: int, tensors: Mapping[str, Tensor], origin: Path) -> TextModel:
        """Build the model and fill in weights; what would be larger than they are is not built.

        Raises:
            RunError: If the weights do not fit.
            RecipeError: If no memory holds the model.
        """
        outline = self.outline(vocabulary_size)
        shapes = {name: tensor.shape for name, tensor in outline.state_dict().items()}
        strange = [name for name in sorted(tensors) if shapes.get(name) != tensors[name].shape]
        wanted, given = (sum(each.numel() for each in part) for part in (outline.parameters(), tensors.values()))
        if strange or wanted > given:
            where = f" at {strange[0]}" if strange else f": it has {given:,} numbers, the recipe's model {wanted:,}"
            raise RunError(f"{origin} does not fit its recipe{where}", "restore recipe and weights of the same run")
        model = self.model(vocabulary_size)
        load_tensors(model, dict(tensors), origin)
        return model

    def objective(self) -> Objective:
        """Build the objective."""
        objective: Objective = build_part(Objective, self.settings["objective"], {})
        return objective

    def training(self) -> Training:
        """Build the training settings."""
        training: Training = build(Training, self.settings["training"], {})
        return training

    def with_settings(self, assignments: Sequence[tuple[str, Any]]) -> "Recipe":
        """Return the recipe with some values replaced, each named by its path, ``training.epochs``.

        Raises:
            RecipeError: If a path leads nowhere, or a value does not fit.
        """
        settings = self.settings
        for path, value in assignments:
            _require_whole_path(settings, path)
            settings = _replaced(settings, path.split("."), value, path)
        return Recipe(settings)


class _Whole:
    """The sections, so that one validation sees all and names the nearest section."""

    def __init__(self, about: About, data: Data, model: TextModel, objective: Objective, training: Training) -> None:
        raise NotImplementedError


def _validated(settings: Settings) -> Settings:
    return validate(_Whole, settings, frozenset({"vocabulary_size"}))


def _require_whole_path(settings: Settings, path: str) -> None:
    """Refuse the end of a path in place of the path, naming those that end so; and one longer than any."""
    if path.count(".") > DEEPEST:
        raise RecipeError(f"unknown key {path[:SHOWN]}...", "write a path such as training.epochs")
    whole = [each for each in _paths(settings) if each.endswith(f".{path}")]
    if whole and path.partition(".")[0] not in settings:
        raise RecipeError(f"unknown key {path}", f"write the whole path, {' or '.join(whole)}")


def _paths(node: Settings) -> Iterator[str]:
    """Yield the path of every value in a tree."""
    for key, value in node.items():
        yield key
        if isinstance(value, dict):
            yield from (f"{key}.{below}" for below in _paths(value))


def _replaced(node: Any, keys: list[str], value: object, path: str) -> Settings:  # noqa: ANN401 - a node or a value
    """Return a copy of a tree with one value replaced; a new kind starts a fresh node of the parts that it takes."""
    key, *below = keys
    if not isinstance(node, dict):
        raise RecipeError(f"unknown key {path}", f"{path.rsplit('.', 1)[0]} is a plain value")
    if below:
        return {**node, key: _replaced(node.get(key, {}), below, value, path)}
    if key == "kind" and node.get("kind") != value:
        parts = {name: kept for name, kept in node.items() if isinstance(kept, dict) and takes(value, name)}
        return {"kind": value, **parts}
    return {**node, key: value}
