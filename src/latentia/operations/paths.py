"""Ways through the space: between two texts, along a dimension, and by arithmetic of three."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from latentia.decoding import Strategy
from latentia.errors import InputError
from latentia.operations.operation import operation
from latentia.operations.populated import populated_way
from latentia.operations.space import SEARCHED, Space
from latentia.shapes import AtLeastTwo, NonNegativeInt, PositiveFloat


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
    steps: AtLeastTwo = 7,
    way: Literal["short", "populated"] = "short",
    strategy: Strategy = SEARCHED,
    seed: NonNegativeInt = 0,
) -> Iterator[str]:
    r"""Write the texts on the way between two others, both ends included.

    .. math:: z(t) = (1 - t) z_a + t z_b

    between the centres of their posteriors in Euclidean space; on a sphere the way is a great circle. A populated way
    begins as this one and descends the energy

    .. math:: E = \frac n2 \sum_{i=1}^{n} \frac{|z_i - z_{i-1}|^2}{|z_n - z_0|^2}
        - \frac1n \sum_{i=1}^{n-1} \min\big( \log q(z_i), c \big)

    of its points under the aggregate posterior ``q`` of the training texts, where ``c`` is the density that nine in
    ten of its own draws have. So it bends around what is empty, and nowhere else.

    Args:
        space: Where the texts are encoded.
        a: Where the way starts.
        b: Where it ends.
        steps: Points on the way, both ends counted.
        way: short, or populated: where training texts are.
        strategy: How tokens are chosen.
        seed: Of tokens that are drawn.

    Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, section 4.3. For ways that follow the
    density, Jonsson, Mills and Jacobsen, Nudged Elastic Band Method for Finding Minimum Energy Paths, 1998.

    Raises:
        InputError: For a model of one code a token, between whose codes there is no way; for a populated way in a space
            that was not opened from a run.
    """
    start, end = space.encode([a, b])
    codes = space.model.path(start, end, torch.linspace(0, 1, steps))
    return space.written(populated_way(space, codes) if way == "populated" else codes, strategy, seed)


@operation
def traverse(
    space: Space,
    text: str,
    *,
    dimension: NonNegativeInt,
    steps: AtLeastTwo = 7,
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
    return (Place(value, text) for value, text in zip(values.tolist(), texts, strict=True))


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
    return space.written(space.supported((first - second + third)[None]), strategy, seed)
