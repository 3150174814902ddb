"""Distributions, each in one file with its divergences registered beside it."""

from latentia.distributions.diagonal_gaussian import DiagonalGaussian, kl_per_dimension
from latentia.distributions.token_sequence import AutoregressiveNetwork, TokenSequence

__all__ = ["AutoregressiveNetwork", "DiagonalGaussian", "TokenSequence", "kl_per_dimension"]
