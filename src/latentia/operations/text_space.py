"""A trained latent space of texts, with every operation as a method."""

from __future__ import annotations

from pathlib import Path

import latentia
from latentia.operations.augment import augment
from latentia.operations.paths import analogy, interpolate, traverse
from latentia.operations.pretrained import save_pretrained
from latentia.operations.reconstruct import reconstruct
from latentia.operations.sample import sample
from latentia.operations.space import Space


class TextSpace(Space):
    """A space with the operations of :mod:`latentia.operations` as its methods."""

    analogy = analogy
    augment = augment
    interpolate = interpolate
    reconstruct = reconstruct
    sample = sample
    traverse = traverse

    save_pretrained = save_pretrained

    @classmethod
    def from_pretrained(cls, name: str | Path, **hub: object) -> TextSpace:
        """Open a folder that :meth:`save_pretrained` wrote, or such a repository of the Hugging Face Hub.

        What builds a model from a recipe stands above this room, and is asked by way of the package's front door; see
        :func:`latentia.recipes.pretrained.from_pretrained` for what it takes and raises.
        """
        return latentia.from_pretrained(name, **hub)
