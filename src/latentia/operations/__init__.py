"""What people do with a latent space: one typed function an operation."""

from latentia.operations.decoding import Ancestral, Beam, Greedy, Strategy, decode
from latentia.operations.space import TextSpace

__all__ = ["Ancestral", "Beam", "Greedy", "Strategy", "TextSpace", "decode"]
