"""A space as a transformer of scikit-learn: texts to codes and back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tokenizers
import torch
from numpy.typing import ArrayLike, NDArray
from rich.console import Console
from safetensors.torch import load as load_weights
from safetensors.torch import save
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from latentia.data import Columns, Tokenizer
from latentia.errors import InputError, RunError
from latentia.operations import Refused, TextSpace
from latentia.operations.pretrained import CONFIG, config_of
from latentia.recipes.corpora import Sources
from latentia.recipes.folders import is_pretrained
from latentia.recipes.library import load_recipe
from latentia.recipes.pretrained import recipe_of, space_of
from latentia.recipes.recipe import Recipe
from latentia.recipes.runs import load, start_run
from latentia.training.weights import tensors_of

Floats = NDArray[np.float32]


class LatentTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc] # untyped
    """Texts to the centres of their posteriors, for pipelines of scikit-learn.

    ``fit`` trains a model; ``from_run`` takes one that is trained. A pipeline clones its steps and fits the clones: put
    what is to stay as it is into ``sklearn.frozen.FrozenEstimator``.

    Args:
        recipe: Name of a recipe, a ``.yaml`` file, or the ``config.json`` of an export.
        settings: What to replace in it, pairs of a path and a value, such as ``("training.batch_size", 16)``.
        latent_dim: Dimensions of a code; 0 takes the recipe's.
        epochs: Passes over the texts; 0 takes the recipe's.
        seed: Root of all randomness.
        folder: Where to keep the run, with the texts in its ``data``; an empty name keeps none.
        unreadable: What to do with a text that the model cannot read, being empty, too long or without a known token:
            ``raise``, or give a row of ``nan``, for an imputer to fill.
        verbose: Show the progress of training.

    Attributes:
        space_: The trained space.

    >>> from latentia import LatentTransformer
    >>> small = LatentTransformer(settings=(("training.max_steps", 2),), latent_dim=4)
    >>> texts = ["the cat sat", "a dog ran", "the dog sat", "a cat ran"] * 5
    >>> small.fit_transform(texts).shape
    (20, 4)
    """

    def __init__(
        self,
        recipe: str = "default",
        *,
        settings: tuple[tuple[str, Any], ...] = (),
        latent_dim: int = 0,
        epochs: int = 0,
        seed: int = 1,
        folder: str = "",
        unreadable: Literal["raise", "nan"] = "raise",
        verbose: bool = False,
    ) -> None:
        """Keep the parameters, as scikit-learn wants them kept: unchanged, and checked when they are used."""
        self.recipe, self.settings, self.latent_dim, self.epochs = recipe, settings, latent_dim, epochs
        self.seed, self.folder, self.unreadable, self.verbose = seed, folder, unreadable, verbose

    @classmethod
    def from_run(cls, folder: str | Path, *, unreadable: Literal["raise", "nan"] = "raise") -> LatentTransformer:
        """Take a trained run, or a folder that ``latentia export`` wrote.

        To fit it again trains another model by the same recipe, with this transformer's ``seed``.

        Raises:
            RunError: If the folder cannot be opened.
            InputError: If the model has one code a token, or there is no such way with unreadable texts.
        """
        recipe = Path(folder) / (CONFIG if is_pretrained(Path(folder)) else "recipe.yaml")
        return _fitted(cls(str(recipe), unreadable=unreadable), load(folder))

    def fit(self, X: Iterable[str], y: object = None) -> LatentTransformer:
        """Train a model on texts; a share of them is held out to choose its best weights.

        Args:
            X: Texts; those that cannot be used are left out.
            y: Nothing of it is used.

        Raises:
            InputError: If these are no texts, or a parameter is out of range.
            RecipeError: If there is no such recipe, or a setting does not fit.
            DataError: If there are too few usable texts.
            RunError: If training was interrupted, or the folder is not empty.
        """
        texts, recipe = _texts(X), self._recipe()
        # The run keeps the tokenised texts itself, so that the file is needed only while it is made.
        with tempfile.TemporaryDirectory() as scratch:
            folder, source = Path(self.folder or f"{scratch}/run"), Path(scratch) / "texts.jsonl"
            source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
            console = Console(stderr=True, quiet=not self.verbose)
            if not start_run(Sources([str(source)], [], Columns()), recipe, folder, self.seed, console):
                raise RunError("training was interrupted", "fit it again")
            space = load(folder)
        return _fitted(self, TextSpace(space.model, space.tokenizer, space.max_tokens, record=space.record))

    def transform(self, X: Iterable[str]) -> Floats:
        """Return the centre of each text's posterior, ``[N, D]``.

        Raises:
            InputError: If these are no texts, or one cannot be read and ``unreadable`` is ``raise``.
            NotFittedError: If there is no model yet.
        """
        check_is_fitted(self)
        if self.unreadable == "raise":
            codes: Floats = self.space_.encode(_texts(X)).numpy()
            return codes
        answers = self.space_.answered(_texts(X), lambda chosen, _: self.space_.centres(chosen))
        missing = torch.full((self._n_features_out,), torch.nan)
        rows: Floats = torch.stack([missing if isinstance(each, Refused) else each for each in answers]).numpy()
        return rows

    def inverse_transform(self, X: ArrayLike) -> NDArray[np.object_]:
        """Return the text of each code, written greedily.

        Raises:
            InputError: If the codes are not ``[N, D]`` finite numbers.
            NotFittedError: If there is no model yet.
        """
        check_is_fitted(self)
        return np.array(self.space_.decode(np.asarray(X)), dtype=object)

    @property
    def _n_features_out(self) -> int:
        return self.space_.model.latent_dim

    def __sklearn_is_fitted__(self) -> bool:
        """Tell whether there is a model."""
        return "space_" in vars(self)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        """Say that texts are taken, and no tables of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.one_d_array, tags.input_tags.two_d_array = True, True, False
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Hold the model as its configuration, weights and tokenizer, and nothing of what was trained on."""
        state: dict[str, Any] = {**super().__getstate__()}
        if space := state.pop("space_", None):
            weights, tokenizer = save(tensors_of(space.model)), space.tokenizer.rust.to_str()
            state["space"] = (config_of(space), weights, tokenizer, dict(space.record.evaluation))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Build the model again."""
        saved = state.pop("space", None)
        super().__setstate__(state)
        if saved:
            config, weights, text, numbers = saved
            tokenizer = Tokenizer(tokenizers.Tokenizer.from_str(text))
            self.space_ = space_of(config, tokenizer, load_weights(weights), Path("the pickled weights"), numbers)

    def _recipe(self) -> Recipe:
        if self.unreadable not in ("raise", "nan"):
            raise InputError(f"unreadable is {self.unreadable!r}", "take raise or nan")
        sizes = {"model.latent_dim": self.latent_dim, "training.epochs": self.epochs}
        path = Path(self.recipe)
        recipe = recipe_of(path.parent) if path.name == CONFIG else load_recipe(self.recipe)
        recipe = recipe.with_settings([*((key, size) for key, size in sizes.items() if size), *self.settings])
        _require_whole_codes(recipe.model(vocabulary_size=8).whole_codes)
        return recipe


def _fitted(transformer: LatentTransformer, space: TextSpace) -> LatentTransformer:
    _require_whole_codes(space.model.whole_codes)
    transformer.space_ = space
    return transformer


def _require_whole_codes(whole: bool) -> None:
    if not whole:
        raise InputError("a model of one code a token has no row of features a text", "take one of a code a text")


def _texts(given: Iterable[str]) -> list[str]:
    """Take texts from lists, arrays and series.

    Raises:
        InputError: If they are something else.
    """
    texts = [] if isinstance(given, str) or getattr(given, "ndim", 1) != 1 else list(given)
    wrong: Sequence[object] = [text for text in texts if not isinstance(text, str)]
    if wrong or not texts:
        shown = f"{wrong[0]!r} is no text" if wrong else "there are no texts"
        raise InputError(shown, "give one sequence of texts, such as one column of a table")
    return texts
