"""A trained latent space of texts, with every operation as a method."""

from latentia.operations.edit import edit
from latentia.operations.impute import impute
from latentia.operations.paths import analogy, interpolate, traverse
from latentia.operations.reconstruct import reconstruct
from latentia.operations.sample import sample
from latentia.operations.space import Space


class TextSpace(Space):
    """A space with the operations of :mod:`latentia.operations` as its methods."""

    analogy = analogy
    edit = edit
    impute = impute
    interpolate = interpolate
    reconstruct = reconstruct
    sample = sample
    traverse = traverse
