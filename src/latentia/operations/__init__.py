"""What people do with a latent space: one typed function an operation."""

from latentia.operations.space import TextSpace

__all__ = ["TextSpace"]
