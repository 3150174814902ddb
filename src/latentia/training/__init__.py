"""The training loop, its settings and its checkpoints."""

from latentia.training.optimizers import SGD, AdamW, ConstantRate, CosineRate, LearningRate, Optimizer
from latentia.training.plans import AggressiveInference, AuxiliaryFirst, Joint, ResetDecoder, StepPlan
from latentia.training.settings import EarlyStopping, Training

__all__ = [
    "SGD",
    "AdamW",
    "AggressiveInference",
    "AuxiliaryFirst",
    "ConstantRate",
    "CosineRate",
    "EarlyStopping",
    "Joint",
    "LearningRate",
    "Optimizer",
    "ResetDecoder",
    "StepPlan",
    "Training",
]
