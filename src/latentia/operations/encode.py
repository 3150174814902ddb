"""Texts to vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from latentia.data import Selection
from latentia.distributions import DiagonalGaussian, HypersphericalUniform
from latentia.errors import InputError
from latentia.evaluation.aggregate import single_dimensions
from latentia.operations.lines import Refused
from latentia.operations.operation import operation
from latentia.operations.space import ROWS_AT_A_TIME, Space, draws_of, streams_of
from latentia.records import Batch
from latentia.shapes import UNK, NonNegativeInt


@dataclass(frozen=True, eq=False, slots=True)
class Encoded:
    """A text and its code.

    Attributes:
        line: Its number among the texts, counted from 1.
        text: The text.
        unknown: Tokens that the model does not know.
        code: Where it is in the space, float32, ``[D]``, or ``[T, D]`` of a model of one code a token.
    """

    line: int
    text: str
    unknown: int
    code: NDArray[np.float32]

    def __str__(self) -> str:
        """Write text and code with a tab between."""
        return f"{self.text}\t{_shown(self.code)}"


@dataclass(frozen=True, eq=False, slots=True)
class EncodedMoments:
    """A text, and mean and standard deviation of its posterior in each dimension.

    Attributes:
        line: Its number among the texts, counted from 1.
        text: The text.
        unknown: Tokens that the model does not know.
        mean: Of the posterior, float32, ``[D]``.
        standard_deviation: Likewise.
    """

    line: int
    text: str
    unknown: int
    mean: NDArray[np.float32]
    standard_deviation: NDArray[np.float32]

    def __str__(self) -> str:
        """Write text, mean and standard deviation with tabs between."""
        return f"{self.text}\t{_shown(self.mean)}\t{_shown(self.standard_deviation)}"


@operation
def encode(
    space: Space,
    data: Iterable[str],
    *,
    of: Literal["centre", "draw", "moments"] = "centre",
    seed: NonNegativeInt = 0,
) -> Iterator[Encoded | EncodedMoments | Refused]:
    r"""Turn texts into vectors.

    Args:
        space: Where the texts are encoded.
        data: What to encode.
        of: What of each posterior: its centre (a Gaussian's mean, a direction on a sphere), a draw from it, or the
            moments, mean and standard deviation of each dimension.
        seed: Of what is drawn.

    Raises:
        InputError: If draws or moments are asked of a model of one code a token, or moments of directions.
    """
    if of == "centre":
        return space.answered(data, lambda chosen, lines: _encoded(chosen, lines, space.centres(chosen)))
    if not space.model.whole_codes:
        raise InputError(f"of is {of!r} and this model has one code a token", "take the centre")
    if of == "draw":
        return space.answered(data, lambda chosen, lines: _encoded(chosen, lines, _drawn(space, chosen, lines, seed)))
    if isinstance(space.model.unit_prior(), HypersphericalUniform):
        raise InputError("a direction has no standard deviation in a dimension", "take the centre or a draw")
    return space.answered(data, lambda chosen, lines: _with_moments(space, chosen, lines))


def _encoded(chosen: Selection, lines: list[int], codes: Float[Tensor, "N *code"]) -> Iterator[Encoded]:
    return map(Encoded, lines, chosen.texts(), unknown_tokens(chosen), codes.numpy())


def _drawn(space: Space, chosen: Selection, lines: list[int], seed: int) -> Float[Tensor, "N D"]:
    def draw(batch: Batch, streams: Tensor) -> Tensor:
        return draws_of(space.model.infer(batch), streams, 1)[0]

    return space.of_each(chosen, draw, ROWS_AT_A_TIME, streams_of(seed, lines))


def _with_moments(space: Space, chosen: Selection, lines: list[int]) -> Iterator[EncodedMoments]:
    def moments(batch: Batch) -> Tensor:
        posterior: Any = single_dimensions(space.model.infer(batch))  # type: ignore[arg-type] # codes are whole
        if not isinstance(posterior, DiagonalGaussian):
            raise InputError(f"moments of {type(posterior).__name__} are not known", "take the centre or a draw")
        return torch.stack([posterior.mean, posterior.stddev], dim=1)

    found = space.of_each(chosen, moments).numpy()
    return map(EncodedMoments, lines, chosen.texts(), unknown_tokens(chosen), found[:, 0], found[:, 1])


def unknown_tokens(chosen: Selection) -> list[int]:
    """Count the tokens of each row that the model does not know."""
    counts: list[int] = chosen.corpus.count(UNK, chosen.rows).tolist()
    return counts


def _shown(vector: NDArray[np.float32]) -> str:
    return " ".join(f"{number:.4f}" for number in vector.ravel())
