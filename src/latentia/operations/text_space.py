"""A trained latent space of texts, with every operation as a method."""

from latentia.operations.cluster import cluster
from latentia.operations.neighbours import neighbours
from latentia.operations.outliers import outliers
from latentia.operations.paths import analogy, interpolate, traverse
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
    cluster = cluster
    interpolate = interpolate
    neighbours = neighbours
    outliers = outliers
    reconstruct = reconstruct
    sample = sample
    score = score
    traverse = traverse
