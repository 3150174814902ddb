"""The training loop, its settings and its checkpoints."""

from latentia.training.optimizers import SGD, AdamW, ConstantRate, CosineRate, LearningRate, Optimizer
from latentia.training.settings import EarlyStopping, Training

__all__ = [
    "SGD",
    "AdamW",
    "ConstantRate",
    "CosineRate",
    "EarlyStopping",
    "LearningRate",
    "Optimizer",
    "Training",
]
