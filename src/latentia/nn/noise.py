"""What a denoising encoder reads while it is trained; what the decoder reads and predicts stays clean."""

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from latentia.records import Batch
from latentia.shapes import EOS, PAD, SPECIAL_TOKENS, UNK, NonNegativeInt, PositiveInt, Share


class Noise(nn.Module, ABC):
    """Changes the words of a batch while training; EOS and padding stay.

    Source: Shen et al., Educating Text Autoencoders: Latent Representation Guidance via Denoising, 2020, section 4.
    """

    if_left_out = "Clean"

    def forward(self, batch: Batch) -> Batch:
        """Return the batch to read."""
        return self.disturb(batch) if self.training else batch

    @abstractmethod
    def disturb(self, batch: Batch) -> Batch:
        """Return a changed batch."""


class Clean(Noise):
    """No noise."""

    def disturb(self, batch: Batch) -> Batch:
        """Return the batch."""
        return batch


class Blank(Noise):
    """Each word becomes UNK with probability ``rate``."""

    def __init__(self, rate: Share = 0.3) -> None:
        """Take the rate."""
        super().__init__()
        self.rate = rate

    def disturb(self, batch: Batch) -> Batch:
        """Replace words."""
        return replace(batch, tokens=batch.tokens.masked_fill(_chosen(batch, self.rate), UNK))


class Substitute(Noise):
    """Each word becomes any word of the vocabulary with probability ``rate``."""

    def __init__(self, vocabulary_size: PositiveInt, rate: Share = 0.3) -> None:
        """Take the vocabulary and the rate."""
        super().__init__()
        self.vocabulary_size, self.rate = vocabulary_size, rate

    def disturb(self, batch: Batch) -> Batch:
        """Replace words."""
        words = torch.randint_like(batch.tokens, len(SPECIAL_TOKENS), self.vocabulary_size)
        return replace(batch, tokens=torch.where(_chosen(batch, self.rate), words, batch.tokens))


class Drop(Noise):
    """Each word is left out with probability ``rate``; those after it move up."""

    def __init__(self, rate: Share = 0.3) -> None:
        """Take the rate."""
        super().__init__()
        self.rate = rate

    def disturb(self, batch: Batch) -> Batch:
        """Leave words out."""
        dropped = _chosen(batch, self.rate)
        tokens = batch.tokens.masked_fill(dropped, PAD)
        tokens = tokens.gather(1, dropped.to(torch.uint8).argsort(dim=1, stable=True))
        return replace(batch, tokens=tokens, lengths=batch.lengths - dropped.sum(dim=1), equal_length=False)


class Shuffle(Noise):
    """Words change places by at most ``distance``: they are sorted by their place plus noise of that size."""

    def __init__(self, distance: NonNegativeInt = 3) -> None:
        """Take the greatest distance, in tokens."""
        super().__init__()
        self.distance = distance

    def disturb(self, batch: Batch) -> Batch:
        """Move words."""
        place = torch.arange(batch.tokens.shape[1], device=batch.tokens.device).float()
        moved = place + (self.distance + 1) * _uniform(batch)
        # What is no word is sorted behind every word, in its own order.
        order = torch.where(_words(batch), moved, place + len(place) + self.distance + 1).argsort(dim=1)
        return replace(batch, tokens=batch.tokens.gather(1, order))


def _chosen(batch: Batch, rate: float) -> Bool[Tensor, "B T"]:
    return (_uniform(batch) < rate) & _words(batch)


def _words(batch: Batch) -> Bool[Tensor, "B T"]:
    return (batch.tokens != EOS) & (batch.tokens != PAD)


def _uniform(batch: Batch) -> Float[Tensor, "B T"]:
    return torch.rand(batch.tokens.shape, device=batch.tokens.device)
