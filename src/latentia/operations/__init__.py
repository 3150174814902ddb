"""What people do with a latent space: one typed function an operation, whose signature is its schema."""

from latentia.operations.edit import Edited, edit
from latentia.operations.impute import Imputed, impute
from latentia.operations.lines import Refused
from latentia.operations.paths import Place, analogy, interpolate, traverse
from latentia.operations.reconstruct import reconstruct
from latentia.operations.sample import sample
from latentia.operations.space import Atlas, Space
from latentia.operations.text_space import TextSpace

__all__ = [
    "Atlas",
    "Edited",
    "Imputed",
    "Place",
    "Refused",
    "Space",
    "TextSpace",
    "analogy",
    "edit",
    "impute",
    "interpolate",
    "reconstruct",
    "sample",
    "traverse",
]
