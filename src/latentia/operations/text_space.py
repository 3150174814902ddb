"""A trained latent space of texts, with every operation as a method."""

from __future__ import annotations

from pathlib import Path

import latentia
from latentia.operations.augment import augment
from latentia.operations.cluster import cluster
from latentia.operations.edit import edit
from latentia.operations.impute import impute
from latentia.operations.neighbours import neighbours
from latentia.operations.outliers import outliers
from latentia.operations.paths import analogy, interpolate, traverse
from latentia.operations.pretrained import save_pretrained
from latentia.operations.reconstruct import reconstruct
from latentia.operations.sample import sample
from latentia.operations.score import score
from latentia.operations.space import Space


class TextSpace(Space):
    """A space with the operations of :mod:`latentia.operations` as its methods.

    ``space.encode(texts)`` gives the codes of a few texts as one tensor; the operation that streams is
    ``operations.encode(space, texts)``.
    """

    analogy = analogy
    augment = augment
    cluster = cluster
    edit = edit
    impute = impute
    interpolate = interpolate
    neighbours = neighbours
    outliers = outliers
    reconstruct = reconstruct
    sample = sample
    score = score
    traverse = traverse

    save_pretrained = save_pretrained

    @classmethod
    def from_pretrained(cls, name: str | Path, **hub: object) -> TextSpace:
        """Open a folder that :meth:`save_pretrained` wrote, or such a repository of the Hugging Face Hub.

        What builds a model from a recipe stands above this room, and is asked by way of the package's front door; see
        :func:`latentia.recipes.pretrained.from_pretrained` for what it takes and raises.
        """
        return latentia.from_pretrained(name, **hub)
