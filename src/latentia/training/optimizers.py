"""Optimisers and learning rates, as settings."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from latentia.auxiliaries import Auxiliary, WordMask
from latentia.shapes import NonNegativeFloat, NonNegativeInt, PositiveFloat, Share, ShareBelowOne


class LearningRate(ABC):
    """A factor of the learning rate at each step."""

    @abstractmethod
    def factor(self, step: int, total_steps: int) -> float:
        """Return the factor at a step, counted from 0, of a run of ``total_steps``."""


class ConstantRate(LearningRate):
    """The same learning rate at every step, after a linear warm-up."""

    def __init__(self, warmup_steps: NonNegativeInt = 0) -> None:
        """Take the steps of the warm-up."""
        self.warmup_steps = warmup_steps

    def factor(self, step: int, total_steps: int) -> float:
        """Return 1 once warm."""
        return _warmup(step, self.warmup_steps, total_steps)


class CosineRate(LearningRate):
    r"""Half a cosine from 1 down to ``final`` over the whole run, after a linear warm-up.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, equation 5.

    >>> round(CosineRate(final=0.0).factor(50, 100), 6)
    0.5
    """

    def __init__(self, warmup_steps: NonNegativeInt = 0, final: Share = 0.02) -> None:
        """Take the steps of the warm-up and the last factor."""
        self.warmup_steps, self.final = warmup_steps, final

    def factor(self, step: int, total_steps: int) -> float:
        """Return the factor of a step."""
        progress = min(1.0, step / max(1, total_steps))
        decay = self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))
        return decay * _warmup(step, self.warmup_steps, total_steps)


class Optimizer(ABC):
    """Settings of an optimiser; ``rate`` scales ``learning_rate`` over the run.

    Attributes:
        remembered: Numbers that it remembers for each weight.
    """

    learning_rate: float
    rate: LearningRate
    remembered: int

    @abstractmethod
    def build(self, groups: Iterable[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return the optimiser for these groups of parameters."""


class AdamW(Optimizer):
    """Adam with decoupled weight decay, one fused pass over the parameters a step.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019.
    """

    def __init__(
        self,
        rate: LearningRate,
        learning_rate: PositiveFloat = 1e-3,
        weight_decay: NonNegativeFloat = 0.0,
        first_decay: ShareBelowOne = 0.9,
        second_decay: ShareBelowOne = 0.999,
    ) -> None:
        """Take the rates; the decays are Adam's two betas."""
        self.rate, self.learning_rate, self.weight_decay = rate, learning_rate, weight_decay
        self.betas = (first_decay, second_decay)
        self.remembered = 2

    def build(self, groups: Iterable[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return the fused optimiser."""
        return torch.optim.AdamW(
            groups, lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay, fused=True
        )


class SGD(Optimizer):
    """Stochastic gradient descent, the choice of the literature's LSTM code."""

    def __init__(
        self,
        rate: LearningRate,
        learning_rate: PositiveFloat = 0.5,
        momentum: ShareBelowOne = 0.0,
        weight_decay: NonNegativeFloat = 0.0,
    ) -> None:
        """Take the rates."""
        self.rate, self.learning_rate, self.momentum, self.weight_decay = rate, learning_rate, momentum, weight_decay
        self.remembered = int(momentum > 0)

    def build(self, groups: Iterable[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return the fused optimiser."""
        return torch.optim.SGD(
            groups, lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay, fused=True
        )


def groups_of(model: nn.Module) -> list[dict[str, Any]]:
    """Group a model's weights by the pace at which they learn: masks and auxiliary networks at their own."""
    paced = [module for module in model.modules() if isinstance(module, Auxiliary | WordMask)]
    apart = {weight for module in paced for weight in module.parameters()}
    groups = [([weight for weight in model.parameters() if weight not in apart], 1.0)]
    groups += [(list(module.parameters()), module.pace) for module in paced]
    return [{"params": weights, "pace": pace} for weights, pace in groups if weights]


def _warmup(step: int, steps: int, total_steps: int) -> float:
    """A line to 1 over so many steps, but at most a tenth of the run."""
    return min(1.0, (step + 1) / (min(steps, total_steps // 10) + 1))
