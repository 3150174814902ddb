"""Layers with weights that encoders and decoders are made of."""

from latentia.nn.dropout import SequenceDropout
from latentia.nn.heads import BatchNormalisedHead, CommittedRateHead, DirectionalHead, GaussianHead, PosteriorHead
from latentia.nn.pooling import AbsoluteMaxPooling, LastState, MaxPooling, MeanPooling, Pooling
from latentia.nn.vocabulary import Vocabulary

__all__ = [
    "AbsoluteMaxPooling",
    "BatchNormalisedHead",
    "CommittedRateHead",
    "DirectionalHead",
    "GaussianHead",
    "LastState",
    "MaxPooling",
    "MeanPooling",
    "Pooling",
    "PosteriorHead",
    "SequenceDropout",
    "Vocabulary",
]
