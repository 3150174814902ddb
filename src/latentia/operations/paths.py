"""Ways through the space: between two texts, along a dimension, and by arithmetic of three."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from latentia.decoding import Strategy
from latentia.distributions.base import great_circle, straight_path
from latentia.errors import InputError
from latentia.operations.lines import Remarked
from latentia.operations.operation import operation
from latentia.operations.populated import populated_way
from latentia.operations.space import SEARCHED, Space
from latentia.shapes import NonNegativeInt, PositiveFloat, Several

Way = Literal["short", "spherical", "populated"]


@dataclass(frozen=True)
class Place:
    """A text on the way along a dimension.

    Attributes:
        value: Of the dimension.
        text: What stands there.
    """

    value: float
    text: str

    def __str__(self) -> str:
        """Align the values."""
        return f"{self.value:+6.2f}  {self.text}"


@operation
def interpolate(
    space: Space,
    a: str,
    b: str,
    *,
    steps: Several = 7,
    way: Way = "short",
    strategy: Strategy = SEARCHED,
    seed: NonNegativeInt = 0,
) -> Iterator[str]:
    r"""Write the texts on the way between two others, both ends included.

    .. math:: z(t) = (1 - t) z_a + t z_b

    between the centres of their posteriors in Euclidean space; on a sphere the way is a great circle. In many
    dimensions the middle of a line lies nearer to the origin than almost all draws of a Gaussian prior. The
    spherical way does not leave their lengths,

    .. math:: z(t) = \big( (1 - t) |z_a| + t |z_b| \big) \,
        \frac{\sin((1 - t) \omega) \, z_a / |z_a| + \sin(t \omega) \, z_b / |z_b|}{\sin \omega}

    with :math:`\omega` the angle between the two. A populated way begins as the short one and descends the energy

    .. math:: E = \frac n2 \sum_{i=1}^{n} \frac{|z_i - z_{i-1}|^2}{|z_n - z_0|^2}
        - \frac1n \sum_{i=1}^{n-1} \min\big( \log q(z_i), c \big)

    of its points under the aggregate posterior ``q`` of the training texts, where ``c`` is the density that nine in
    ten of its own draws have. So it bends around what is empty, and nowhere else.

    Args:
        space: Where the texts are encoded.
        a: Where the way starts.
        b: Where it ends.
        steps: Points on the way, both ends counted.
        way: short; spherical: turning from one code to the other, its length changing evenly; or populated: where
            training texts are.
        strategy: How tokens are chosen.
        seed: Of tokens that are drawn.

    Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, section 4.3; for spherical ways, White,
    Sampling Generative Networks, 2016, section 2.1. For ways that follow the density, Jonsson, Mills and Jacobsen,
    Nudged Elastic Band Method for Finding Minimum Energy Paths, 1998.

    Raises:
        InputError: For a model of one code a token, between whose codes there is no way; for a populated way in a space
            that was not opened from a run.
    """
    start, end = space.encode([a, b])
    codes = WAYS[way](space, start, end, torch.linspace(0, 1, steps))
    return Remarked(space.written(codes, strategy, seed), partial(space.remarks_on, [a, b]))


def _short(space: Space, start: Tensor, end: Tensor, share: Tensor) -> Float[Tensor, "points D"]:
    return space.model.path(start, end, share)


def _spherical(space: Space, start: Tensor, end: Tensor, share: Tensor) -> Float[Tensor, "points D"]:
    """Turn along the great circle of the directions; from the origin no direction leads away, and the line does."""
    space.require_whole_codes()
    lengths = straight_path(start.norm()[None], end.norm()[None], share)
    if not bool(lengths[[0, -1]].all()):
        return straight_path(start, end, share)
    return lengths * great_circle(normalize(start, dim=0), normalize(end, dim=0), share)


def _populated(space: Space, start: Tensor, end: Tensor, share: Tensor) -> Float[Tensor, "points D"]:
    return populated_way(space, space.model.path(start, end, share))


WAYS: Mapping[Way, Callable[[Space, Tensor, Tensor, Tensor], Tensor]] = MappingProxyType(
    {"short": _short, "spherical": _spherical, "populated": _populated}
)


@operation
def traverse(
    space: Space,
    text: str,
    *,
    dimension: NonNegativeInt,
    steps: Several = 7,
    reach: PositiveFloat = 3.0,
    strategy: Strategy = SEARCHED,
    seed: NonNegativeInt = 0,
) -> Iterator[Place]:
    """Write what a text becomes as one dimension of its code changes, the others staying.

    Args:
        space: Where the text is encoded.
        text: Whose code is changed.
        dimension: Which dimension, counted from 0.
        steps: Points on the way.
        reach: The dimension goes from minus this to this; a Gaussian prior's standard deviation is 1. On a sphere the
            code is scaled back to length 1.
        strategy: How tokens are chosen.
        seed: Of tokens that are drawn.

    Raises:
        InputError: If there is no such dimension, or the model has one code a token.
    """
    space.require_whole_codes()
    if dimension >= space.model.latent_dim:
        raise InputError(f"dimension is {dimension}", f"the last one is {space.model.latent_dim - 1}")
    values = torch.linspace(-reach, reach, steps)
    codes = space.encode([text]).repeat(steps, 1)
    codes[:, dimension] = values
    texts = space.written(space.supported(codes), strategy, seed)
    return Remarked(map(Place, values.tolist(), texts), partial(space.remarks_on, [text]))


@operation
def analogy(
    space: Space, a: str, b: str, c: str, *, strategy: Strategy = SEARCHED, seed: NonNegativeInt = 0
) -> Iterator[str]:
    r"""Write the text that is to the third as the first is to the second.

    .. math:: z = z_a - z_b + z_c

    Args:
        space: Where the texts are encoded.
        a: What has what is wanted.
        b: What has it not, and is like the first otherwise.
        c: What is to get it.
        strategy: How tokens are chosen.
        seed: Of tokens that are drawn.

    Source: Mikolov, Yih and Zweig, Linguistic Regularities in Continuous Space Word Representations, 2013; of
    sentences, Shen et al., Educating Text Autoencoders, 2020, section 5.3.

    Raises:
        InputError: If the model has one code a token.
    """
    space.require_whole_codes()
    first, second, third = space.encode([a, b, c])
    code = space.supported((first - second + third)[None])
    return Remarked(space.written(code, strategy, seed), partial(space.remarks_on, [a, b, c]))
