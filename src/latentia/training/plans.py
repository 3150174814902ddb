"""What one step of training does with a batch, where that is more than one update of all weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from latentia.errors import RecipeError
from latentia.models import TextModel
from latentia.records import Batch, Terms
from latentia.shapes import PositiveInt, Share

Memory = dict[str, float]
"""What a plan must remember from step to step; it is part of a checkpoint."""


@runtime_checkable
class Stepper(Protocol):
    """What the loop lets a plan do within a step."""

    @property
    def step(self) -> int:
        """The step under way, counted from 0."""
        ...

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        ...

    def update(self, batch: Batch, frozen: str = "", number: int = 0) -> Terms:
        """Make one update of all weights but those of a part of the model, ``encoder`` or ``decoder``.

        ``number`` tells the noise of one update of a step from that of another.
        """
        ...

    def update_auxiliary(self, batch: Batch, number: int) -> None:
        """Make one update of the model's auxiliary network alone, without asking the decoder."""
        ...

    def another(self, number: int) -> Batch:
        """Return a random batch of the epoch, the same for the same step and number."""
        ...

    def restore(self, part: str, weights: Mapping[str, Tensor]) -> None:
        """Give a part of the model these weights, and the optimiser no memory of it."""
        ...


class StepPlan(ABC):
    """The updates of one step; what it remembers between steps stands in its ``memory``."""

    if_left_out = "Joint"

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.memory: Memory = {}

    def begin(self, model: nn.Module) -> None:  # noqa: B027 - most plans have nothing to do then
        """See the fresh model, before any checkpoint is loaded into it."""

    @abstractmethod
    def step(self, batch: Batch, stepper: Stepper) -> Terms:
        """Take the step of a batch; return the terms to record."""

    def validated(self, record: Mapping[str, float]) -> None:  # noqa: B027 - most plans have nothing to do then
        """Hear what a validation measured."""


class Joint(StepPlan):
    """One update of all weights."""

    def step(self, batch: Batch, stepper: Stepper) -> Terms:
        """Update once."""
        return stepper.update(batch)


class AggressiveInference(StepPlan):
    """The encoder is brought up to date with the decoder before each of its updates, while that gains information.

    Each step first updates the encoder alone on random batches, until the mean cost a token of a block of updates is
    no lower than that of the block before, or ``most`` updates are made; then the decoder alone on the step's batch.
    From the first validation on whose mutual information is lower than the one before, all weights are updated
    together.

    Args:
        most: Largest number of encoder updates a step.
        block: Updates between comparisons.

    Source: He et al., Lagging Inference Networks and Posterior Collapse in Variational Autoencoders, 2019, algorithm 1.
    """

    def __init__(self, most: PositiveInt = 100, block: PositiveInt = 15) -> None:
        """Take the bounds of the inner loop."""
        super().__init__()
        self.most, self.block = most, block

    def begin(self, model: nn.Module) -> None:
        """Check that each weight is of one side, and that there will be an information to watch.

        Raises:
            RecipeError: If encoder and decoder share weights, which neither side's update would then move, or for a
                model of one code a step, which has no estimate of the information.
        """
        _require_apart(model)
        if isinstance(model, TextModel) and not model.whole_codes:
            raise RecipeError(
                "aggressive inference watches the mutual information, of which codes of one a step have no estimate",
                "set training.plan.kind=Joint",
            )

    def step(self, batch: Batch, stepper: Stepper) -> Terms:
        """Update the encoder until it has caught up, then the decoder."""
        if "ended" in self.memory:
            return stepper.update(batch)
        self._catch_up(batch, stepper)
        return stepper.update(batch, frozen="encoder")

    def validated(self, record: Mapping[str, float]) -> None:
        """End the aggressive phase where information falls."""
        if record["mutual_information"] < self.memory.get("information", 0.0):
            self.memory["ended"] = 1.0
        self.memory["information"] = record["mutual_information"]

    def _catch_up(self, batch: Batch, stepper: Stepper) -> None:
        costs: list[Tensor] = []
        tokens, before = 0, float("inf")
        for number in range(1, self.most + 1):
            terms = stepper.update(batch, frozen="decoder", number=number)
            costs.append(terms.loss.detach().mean() * len(batch))
            tokens += batch.token_count
            if number % self.block == 0:
                now = torch.stack(costs).sum().item() / tokens
                if now >= before:
                    return
                costs, tokens, before = [], 0, now
            batch = stepper.another(number)


class AuxiliaryFirst(StepPlan):
    """The auxiliary network is updated alone, on random batches, before each update of all weights.

    An estimate that a network has to learn is worth something only while the network keeps up with the codes.

    Args:
        updates: Updates of the auxiliary network alone.

    Source: Fang et al., Implicit Deep Latent Variable Models for Text Generation, 2019, algorithm 1 (5 updates).
    """

    def __init__(self, updates: PositiveInt = 5) -> None:
        """Take the number of updates."""
        super().__init__()
        self.updates = updates

    def begin(self, model: nn.Module) -> None:
        """Check that there is something to update.

        Raises:
            RecipeError: If the model's auxiliary network has no weights.
        """
        if not any(True for _ in model.get_submodule("auxiliary").parameters()):
            raise RecipeError("plan AuxiliaryFirst has no auxiliary network to update", "set model.auxiliary.kind")

    def step(self, batch: Batch, stepper: Stepper) -> Terms:
        """Update the auxiliary network, then everything."""
        for number in range(1, self.updates + 1):
            stepper.update_auxiliary(stepper.another(number), number)
        return stepper.update(batch)


class ResetDecoder(StepPlan):
    """All weights are trained together, and once the decoder starts anew beside the trained encoder.

    Before the reset the objective's weight should be 0, so that an autoencoder is trained.

    Args:
        at: Share of the run's steps before the reset.

    Source: Li et al., A Surprisingly Effective Fix for Deep Latent Variable Modeling of Text, 2019, section 3.
    """

    def __init__(self, at: Share = 0.25) -> None:
        """Take the time of the reset."""
        super().__init__()
        self.at = at
        self.fresh: dict[str, Tensor] = {}

    def begin(self, model: nn.Module) -> None:
        """Keep the decoder's first weights.

        Raises:
            RecipeError: If encoder and decoder share weights, which cannot both be kept and reset.
        """
        _require_apart(model)
        for name, weight in model.get_submodule("decoder").named_parameters():
            self.fresh[name] = weight.detach().clone()

    def step(self, batch: Batch, stepper: Stepper) -> Terms:
        """Reset the decoder at its time, then update once."""
        if stepper.step == round(self.at * stepper.total):
            stepper.restore("decoder", self.fresh)
        return stepper.update(batch)


def _require_apart(model: nn.Module) -> None:
    """Refuse a model whose encoder and decoder share weights."""
    of_encoder = {id(weight) for weight in model.get_submodule("encoder").parameters()}
    for name, weight in model.get_submodule("decoder").named_parameters():
        if id(weight) in of_encoder:
            raise RecipeError(f"decoder.{name} belongs to the encoder too", "set model.share_embedding=false")
