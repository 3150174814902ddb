"""A KL divergence that leaps is told; training goes on, and no step is another for it."""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor

MULTIPLE = 10.0
"""Times the median of the steps before that a KL is a leap, where it costs ``MARGIN`` too."""

MARGIN = 100.0
"""Nats of the cost of a sequence below which no rise above that median is a leap: while its weight is near 0, a KL
rises from 0 and falls again, and costs nothing."""

REMEMBERED, FEWEST = 100, 20
"""Steps of which the median is taken, and how many there are at the least."""

QUIET = 50
"""Steps without a leap after which the next one is told again."""


class Leap(NamedTuple):
    """A step whose KL is far above those before, both in nats a sequence."""

    step: int
    kl: float
    median: float


class Alarm:
    """Compares the KL of each step with the median of those before; tells the first leap of several.

    On a processor at each step. On a GPU where the loop reads its numbers back anyway, so that none is read for this
    alone. Nothing of it is saved: a run that was taken up again compares once it has taken 20 steps.

    Args:
        later: Whether numbers are read back later.
    """

    def __init__(self, later: bool) -> None:
        """Nothing was seen yet."""
        self.later = later
        self.unread: list[tuple[int, Tensor, float]] = []
        self.levels: deque[float] = deque(maxlen=REMEMBERED)
        self.quiet = QUIET

    def after(self, step: int, kl: Tensor, weight: float = 1.0) -> list[Leap]:
        """Take the mean KL of a step that was done and its weight; return the leaps to tell, if it is looked at."""
        self.unread.append((step, kl, weight))
        return [] if self.later else self.look()

    def look(self) -> list[Leap]:
        """Read back what was not read yet; return the leaps to tell."""
        unread, self.unread = self.unread, []
        values = torch.stack([kl for _, kl, _ in unread]).tolist() if unread else []
        compared = (self._compared(step, kl, weight) for (step, _, weight), kl in zip(unread, values, strict=True))
        return [leap for leap in compared if leap is not None]

    def _compared(self, step: int, kl: float, weight: float) -> Leap | None:
        """Compare one step with those before; it counts among them for the next."""
        if math.isnan(kl):
            return None
        level = median(self.levels) if len(self.levels) >= FEWEST else kl
        leaps, told = kl > MULTIPLE * level and weight * (kl - level) > MARGIN, self.quiet < QUIET
        self.quiet = 0 if leaps else self.quiet + 1
        self.levels.append(kl)
        return Leap(step, kl, level) if leaps and not told else None
