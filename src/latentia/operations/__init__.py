"""What people do with a latent space: one typed function an operation, whose signature is its schema."""

from latentia.operations.augment import augment
from latentia.operations.gain import Conditions, Gain, Written
from latentia.operations.lines import Refused
from latentia.operations.novelty import Augmented
from latentia.operations.paths import Place, analogy, interpolate, traverse
from latentia.operations.reconstruct import reconstruct
from latentia.operations.sample import sample
from latentia.operations.space import Atlas, Space
from latentia.operations.text_space import TextSpace

__all__ = [
    "Atlas",
    "Augmented",
    "Conditions",
    "Gain",
    "Place",
    "Refused",
    "Space",
    "TextSpace",
    "Written",
    "analogy",
    "augment",
    "interpolate",
    "reconstruct",
    "sample",
    "traverse",
]
