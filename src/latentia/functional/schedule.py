"""Weights as functions of the optimiser step."""

import math
from abc import ABC, abstractmethod

from latentia.shapes import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Share

__all__ = ["Constant", "Cyclical", "Linear", "Ramp", "Sigmoid"]


class Schedule(ABC):
    """A weight for each step."""

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return the weight at a step, counted from 0."""

    @property
    @abstractmethod
    def settled_at(self) -> int:
        """The first step at which the final weight is reached, so that a run can be checked to reach it."""

    def over(self, total_steps: int) -> "Schedule":
        """Return the schedule of a run of so many steps; one that counts in steps is the same for every run."""
        return self


class Constant(Schedule):
    """The same weight at every step.

    >>> Constant(0.5)(10)
    0.5
    """

    def __init__(self, value: NonNegativeFloat = 1.0) -> None:
        """Take the weight."""
        self.value = value

    def __call__(self, step: int) -> float:
        """Return the weight."""
        return self.value

    @property
    def settled_at(self) -> int:
        """Settled from the start."""
        return 0


class Linear(Schedule):
    r"""A ramp :math:`w(s) = a + (b - a) \min(1, s / n)`.

    Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, section 3.1.

    >>> [Linear(steps=4)(step) for step in (0, 2, 4, 9)]
    [0.0, 0.5, 1.0, 1.0]
    """

    def __init__(self, steps: PositiveInt = 10_000, start: NonNegativeFloat = 0.0, end: NonNegativeFloat = 1.0) -> None:
        """Take the steps of the ramp and the weights at its ends."""
        self.steps, self.start, self.end = steps, start, end

    def __call__(self, step: int) -> float:
        """Return the weight of a step."""
        return self.start + (self.end - self.start) * min(1.0, step / self.steps)

    @property
    def settled_at(self) -> int:
        """The end of the ramp."""
        return self.steps


class Ramp(Schedule):
    """A linear ramp that ends at a share of the run, however long that is.

    A ramp counted in steps is right for one corpus: on a smaller one the run ends before the ramp, and another
    objective was trained than the recipe names.

    >>> [Ramp(share=0.5).over(8)(step) for step in (0, 2, 4, 7)]
    [0.0, 0.5, 1.0, 1.0]
    """

    def __init__(
        self,
        share: Share = 0.25,
        start: NonNegativeFloat = 0.0,
        end: NonNegativeFloat = 1.0,
        of_steps: PositiveInt = 10_000,
        after: Share = 0.0,
    ) -> None:
        """Take the share, the weights at the ends, the steps of a run not known yet, and the share it begins after."""
        self.share, self.start, self.end, self.of_steps, self.after = share, start, end, of_steps, after

    def __call__(self, step: int) -> float:
        """Return the weight of a step."""
        begins = round(self.after * self.of_steps)
        return Linear(max(1, self.settled_at - begins), self.start, self.end)(max(0, step - begins))

    @property
    def settled_at(self) -> int:
        """The end of the ramp."""
        return round(max(self.share, self.after) * self.of_steps)

    def over(self, total_steps: int) -> Schedule:
        """Return the ramp of a run of so many steps."""
        return Ramp(self.share, self.start, self.end, max(1, total_steps), self.after)


class Sigmoid(Schedule):
    r"""A logistic curve :math:`w(s) = b / (1 + e^{-k (s - s_0)})`.

    Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, figure 2.

    >>> Sigmoid(midpoint=100, slope=0.1)(100)
    0.5
    """

    def __init__(
        self, midpoint: NonNegativeInt = 2_500, slope: PositiveFloat = 0.0025, end: NonNegativeFloat = 1.0
    ) -> None:
        """Take the step of half the weight, the slope a step, and the final weight."""
        self.midpoint, self.slope, self.end = midpoint, slope, end

    def __call__(self, step: int) -> float:
        """Return the weight of a step; ``tanh`` cannot overflow far from the midpoint."""
        return self.end * 0.5 * (1.0 + math.tanh(0.5 * self.slope * (step - self.midpoint)))

    @property
    def settled_at(self) -> int:
        """Where 99 % of the final weight is reached."""
        return self.midpoint + math.ceil(math.log(99) / self.slope)


class Cyclical(Schedule):
    r"""The run in ``M`` equal cycles, each a linear ramp over a share ``R`` of it and then the final weight.

    .. math:: w(s) = a + (b - a) \min\big(1, (s \bmod P) / (R P)\big), \qquad P = \lceil N / M \rceil

    Source: Fu et al., Cyclical Annealing Schedule, 2019, equation 6 (M = 4 cycles, R = 0.5).

    >>> schedule = Cyclical(cycles=2).over(20)
    >>> [schedule(step) for step in (0, 1, 5, 9, 10, 19)]
    [0.0, 0.2, 1.0, 1.0, 0.0, 1.0]
    """

    def __init__(
        self,
        cycles: PositiveInt = 4,
        ramp: Share = 0.5,
        start: NonNegativeFloat = 0.0,
        end: NonNegativeFloat = 1.0,
        of_steps: PositiveInt = 10_000,
    ) -> None:
        """Take the cycles, the share that ramps, the weights at the ends, and the steps of a run not known yet."""
        self.cycles, self.ramp, self.start, self.end, self.of_steps = cycles, ramp, start, end, of_steps
        self.period = math.ceil(of_steps / cycles)

    def __call__(self, step: int) -> float:
        """Return the weight of a step."""
        ramp_steps, position = self.ramp * self.period, step % self.period
        if position >= ramp_steps or step >= self.of_steps:
            return self.end
        return self.start + (self.end - self.start) * position / ramp_steps

    @property
    def settled_at(self) -> int:
        """The end of the last ramp; of a run too short for all cycles its own end."""
        return min(self.of_steps, (self.cycles - 1) * self.period + math.ceil(self.ramp * self.period))

    def over(self, total_steps: int) -> Schedule:
        """Return the cycles of a run of so many steps."""
        return Cyclical(self.cycles, self.ramp, self.start, self.end, max(1, total_steps))
