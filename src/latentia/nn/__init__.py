"""Layers with weights that encoders and decoders are made of."""

from latentia.nn.dropout import SequenceDropout
from latentia.nn.heads import (
    BatchNormalisedHead,
    CommittedRateHead,
    DirectionalHead,
    GaussianHead,
    LinearNoiseHead,
    MomentMatchedHead,
    PosteriorHead,
)
from latentia.nn.noise import Blank, Clean, Drop, Noise, Shuffle, Substitute
from latentia.nn.pooling import AbsoluteMaxPooling, LastState, MaxPooling, MeanPooling, Pooling
from latentia.nn.recurrence import run_one_step, run_over_shared_inputs
from latentia.nn.vocabulary import Vocabulary

__all__ = [
    "AbsoluteMaxPooling",
    "BatchNormalisedHead",
    "Blank",
    "Clean",
    "CommittedRateHead",
    "DirectionalHead",
    "Drop",
    "GaussianHead",
    "LastState",
    "LinearNoiseHead",
    "MaxPooling",
    "MeanPooling",
    "MomentMatchedHead",
    "Noise",
    "Pooling",
    "PosteriorHead",
    "SequenceDropout",
    "Shuffle",
    "Substitute",
    "Vocabulary",
    "run_one_step",
    "run_over_shared_inputs",
]
