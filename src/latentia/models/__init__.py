"""Graphical models, assembled from encoders, decoders and priors."""

from latentia.models.base import TextModel
from latentia.models.sequential_text_vae import SequentialTextVAE
from latentia.models.text_vae import TextVAE

__all__ = ["SequentialTextVAE", "TextModel", "TextVAE"]
