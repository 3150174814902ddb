"""What a recipe says about training."""

from typing import Literal, get_args

from latentia.data import Batching, Loader
from latentia.shapes import NonNegativeFloat, NonNegativeInt, PositiveInt
from latentia.training.optimizers import Optimizer
from latentia.training.plans import StepPlan

Metric = Literal["negative_elbo", "reconstruction", "loss"]
COSTS: tuple[Metric, ...] = get_args(Metric)
"""What every validation measures, in nats a sequence."""


class EarlyStopping:
    """Which validation metric names the best weights, and when to stop waiting for better ones.

    Args:
        metric: A name of the validation record, lower is better; ``negative_elbo`` has the KL at weight 1.
        patience: Validations without a new best before training stops; 0 never stops early.

    No validation counts before the objective's weight has settled: the negative ELBO of a model whose KL weight is
    still rising can be lower than it will ever be again.
    """

    def __init__(self, metric: Metric = "negative_elbo", patience: NonNegativeInt = 5) -> None:
        """Take the rule."""
        self.metric, self.patience = metric, patience


class Training:
    """How a model is trained.

    Args:
        optimizer: The optimiser.
        batching: How examples are grouped.
        stopping: The rule that names the best weights.
        plan: The updates of a step.
        epochs: Passes over the corpus.
        max_steps: Optimiser steps after which training stops even within an epoch; 0 sets no limit.
        batch_size: Examples a step.
        checkpoint_every: Steps between checkpoints; one is also written at each validation and at the end.
        clip_norm: Largest norm of the whole gradient; 0 clips nothing.
        precision: ``auto`` takes bfloat16 where the processor multiplies it natively.
    """

    def __init__(  # noqa: PLR0913 - this is the table of a recipe, one row a setting
        self,
        optimizer: Optimizer,
        batching: Batching,
        stopping: EarlyStopping,
        plan: StepPlan,
        epochs: PositiveInt = 20,
        max_steps: NonNegativeInt = 0,
        batch_size: PositiveInt = 32,
        checkpoint_every: PositiveInt = 1000,
        clip_norm: NonNegativeFloat = 5.0,
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
    ) -> None:
        """Take the settings."""
        self.optimizer, self.batching, self.stopping, self.plan = optimizer, batching, stopping, plan
        self.epochs, self.max_steps, self.batch_size = epochs, max_steps, batch_size
        self.checkpoint_every, self.clip_norm, self.precision = checkpoint_every, clip_norm, precision

    def planned_steps(self, loader: Loader) -> int:
        """Steps of the whole run, unless it stops early."""
        steps = sum(loader.steps(epoch) for epoch in range(self.epochs))
        return min(steps, self.max_steps) if self.max_steps else steps
