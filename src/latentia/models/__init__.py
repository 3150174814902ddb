"""Graphical models, assembled from encoders, decoders and priors."""

from latentia.models.text_vae import TextVAE

__all__ = ["TextVAE"]
