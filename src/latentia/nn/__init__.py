"""Layers with weights that encoders and decoders are made of."""

from latentia.nn.dropout import SequenceDropout
from latentia.nn.heads import BatchNormalisedHead, GaussianHead, PosteriorHead
from latentia.nn.pooling import LastState, MaxPooling, MeanPooling, Pooling
from latentia.nn.vocabulary import Vocabulary

__all__ = [
    "BatchNormalisedHead",
    "GaussianHead",
    "LastState",
    "MaxPooling",
    "MeanPooling",
    "Pooling",
    "PosteriorHead",
    "SequenceDropout",
    "Vocabulary",
]
