"""From the states of a recurrent network to one feature vector a sequence."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from latentia.records import Batch


class Pooling(ABC):
    """One vector from the states of a sequence; padding never counts."""

    @abstractmethod
    def __call__(self, states: Float[Tensor, "B T H"], batch: Batch) -> Float[Tensor, "B H"]:
        """Pool the states of each sequence."""


class LastState(Pooling):
    """The state after EOS, the classical choice of Bowman et al. (2016)."""

    def __call__(self, states: Float[Tensor, "B T H"], batch: Batch) -> Float[Tensor, "B H"]:
        """Take the state at the last token."""
        if batch.equal_length:
            return states[:, -1]
        last = (batch.lengths - 1)[:, None, None].expand(-1, 1, states.shape[-1])
        return states.gather(1, last)[:, 0]


class MaxPooling(Pooling):
    """The largest value of each feature over time (Long, Cao and Cheung, 2019).

    States are bounded by 1, so that the maximum grows with length: length leaks into the features.
    """

    def __call__(self, states: Float[Tensor, "B T H"], batch: Batch) -> Float[Tensor, "B H"]:
        """Take the maximum over the tokens."""
        if batch.equal_length:
            return states.amax(dim=1)
        return states.masked_fill(~batch.mask[:, :, None], -torch.inf).amax(dim=1)


class AbsoluteMaxPooling(Pooling):
    """The value of each feature that is farthest from 0, with its sign (Long, Cao and Cheung, 2019)."""

    def __call__(self, states: Float[Tensor, "B T H"], batch: Batch) -> Float[Tensor, "B H"]:
        """Take the value of the largest magnitude over the tokens."""
        size = states.abs()
        if not batch.equal_length:
            size = size.masked_fill(~batch.mask[:, :, None], -1.0)
        return states.gather(1, size.argmax(dim=1, keepdim=True))[:, 0]


class MeanPooling(Pooling):
    """The mean of each feature over the tokens (Long, Cao and Cheung, 2019)."""

    def __call__(self, states: Float[Tensor, "B T H"], batch: Batch) -> Float[Tensor, "B H"]:
        """Average over the tokens, by their true number."""
        return states.masked_fill(~batch.mask[:, :, None], 0.0).sum(dim=1) / batch.lengths[:, None]
