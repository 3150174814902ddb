"""Likelihoods: from a latent code to a distribution over observations."""

from latentia.decoders.base import Decoder
from latentia.decoders.lstm import LSTMDecoder

__all__ = ["Decoder", "LSTMDecoder"]
