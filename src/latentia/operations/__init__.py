"""What people do with a latent space: one typed function an operation, whose signature is its schema."""

from latentia.operations.augment import augment
from latentia.operations.cluster import Cluster, cluster
from latentia.operations.decode import Decoded, decode
from latentia.operations.edit import Edited, edit
from latentia.operations.encode import Encoded, EncodedMoments, encode
from latentia.operations.gain import Conditions, Gain, Quality
from latentia.operations.impute import Imputed, ImputedMode, impute
from latentia.operations.index import Index, Neighbour
from latentia.operations.lines import Refused
from latentia.operations.neighbours import neighbours
from latentia.operations.novelty import Augmented
from latentia.operations.outliers import Outlier, outliers
from latentia.operations.paths import Place, analogy, interpolate, traverse
from latentia.operations.reconstruct import Reconstructed, reconstruct
from latentia.operations.sample import sample
from latentia.operations.score import Scored, score
from latentia.operations.sinks import Written, write
from latentia.operations.space import Atlas, Space
from latentia.operations.text_space import TextSpace

__all__ = [
    "Atlas",
    "Augmented",
    "Cluster",
    "Conditions",
    "Decoded",
    "Edited",
    "Encoded",
    "EncodedMoments",
    "Gain",
    "Imputed",
    "ImputedMode",
    "Index",
    "Neighbour",
    "Outlier",
    "Place",
    "Quality",
    "Reconstructed",
    "Refused",
    "Scored",
    "Space",
    "TextSpace",
    "Written",
    "analogy",
    "augment",
    "cluster",
    "decode",
    "edit",
    "encode",
    "impute",
    "interpolate",
    "neighbours",
    "outliers",
    "reconstruct",
    "sample",
    "score",
    "traverse",
    "write",
]
