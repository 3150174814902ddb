"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from latentia.data.loader import Loader
from latentia.durable import require_whole
from latentia.errors import NumericalError, RunError, StorageError
from latentia.models import TextModel
from latentia.nn.precision import multiplies_bfloat16
from latentia.objectives import Objective
from latentia.records import Batch, Terms
from latentia.training.alarm import Alarm, Leap
from latentia.training.checkpoint import Checkpoints, Progress, with_a_way_on
from latentia.training.finiteness import DIVERGED, Guard, require_finite
from latentia.training.interruption import Interruption, interruption
from latentia.training.memory import give_back_free_memory
from latentia.training.optimizers import groups_of
from latentia.training.settings import COSTS, Training
from latentia.training.validation import validate
from latentia.training.weights import WEIGHTS, longest, save_weights

FROZEN_WITH = {"": (), "encoder": ("encoder",), "decoder": ("decoder", "prior")}
"""Parts that rest when one does: the prior is of the generative side."""
LOG_EVERY = 50
"""Steps between training records; their values are read back from the device together."""


@runtime_checkable
class Observer(Protocol):
    """Who watches a run: a progress bar, a log, a tracker."""

    def step(self, record: dict[str, float]) -> None:
        """Receive the averages since the last record or validation."""
        ...

    def validation(self, record: dict[str, float]) -> None:
        """Receive a validation record."""
        ...

    def advance(self, progress: Progress) -> None:
        """Hear that a step was done."""
        ...

    def leap(self, record: dict[str, float]) -> None:
        """Hear that the KL of a step is far above the median of those before."""
        ...


class Trainer:
    """Trains one model into one run folder.

    All noise of a step comes from ``(seed, step)`` and all order from ``(seed, epoch)``, so that a run that was
    stopped and resumed takes the very steps of one that was not.

    Args:
        model: The model; its best weights are written to ``model.safetensors``.
        objective: The cost.
        settings: The recipe's ``training``.
        folder: The run folder.
        seed: Root of all randomness.

    Attributes:
        remarks: What was damaged in a run that was taken up again.
    """

    def __init__(self, model: nn.Module, objective: Objective, settings: Training, folder: Path, seed: int) -> None:
        """Prepare model and optimiser for the device and the precision."""
        from accelerate import Accelerator  # a second to import, and only training needs it
        from accelerate.state import AcceleratorState

        # Else the precision of the first run in a process binds all that follow.
        AcceleratorState._reset_state()  # noqa: SLF001
        self.objective, self.settings, self.folder, self.seed = objective, settings, folder, seed
        self.accelerator = Accelerator(mixed_precision="bf16" if wants_bfloat16(settings.precision) else "no")
        optimizer = settings.optimizer.build(groups_of(model))
        self.plain_model = model
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.clipped_together = _sides_of(model)
        self.checkpoints = Checkpoints(folder, longest(model.state_dict()))
        later = self.accelerator.device.type != "cpu"
        self.guard, self.alarm = Guard(folder, later), Alarm(later)
        self.progress = Progress(memory=settings.plan.memory)
        self.remarks: list[str] = []
        self.total, self.window, self.since = 0, _Window(), 0.0
        settings.plan.begin(model)

    def resume(self) -> None:
        """Take up the newest whole checkpoint; a run that was stopped before its first begins."""
        restored = self.checkpoints.restore(self.plain_model, self.optimizer.optimizer)
        if restored is not None:
            self.progress = restored
            self.settings.plan.memory = self.progress.memory
            self._mend()
        self.remarks += [f"a checkpoint is not whole and was set aside: {wrong}" for wrong in self.checkpoints.damage]

    def _mend(self) -> None:
        """Put the checkpoint's weights in the place of best ones that are lost, until better ones come."""
        try:
            require_whole(self.folder, [WEIGHTS])
        except RunError as error:
            progress = self.progress
            if progress.best_step not in (0, progress.step):
                progress.best, progress.best_step = math.inf, 0
            save_weights(self.plain_model, self.folder)
            self.remarks.append(f"{error.message}; the weights of step {progress.step:,} take its place")
        except StorageError as error:
            place = f"the weights of step {self.progress.step:,} take its place until better ones come"
            raise with_a_way_on(error, self.folder / WEIGHTS, place) from None

    def fit(self, loader: Loader, validation: Callable[[], Iterable[Batch]], observer: Observer) -> bool:
        """Train until the recipe's end, an early stop or an interrupt; tell whether it ended of itself.

        Raises:
            NumericalError: When a loss, a gradient, a weight or a validation is not finite; no such weight is written.
            StorageError: When the disk does not take a checkpoint; those before are whole.
            KeyboardInterrupt: When an interrupted step does not end in time, or at a second signal.
        """
        self.loader, self.total = loader, self.settings.planned_steps(loader)
        self.objective.weight = self.objective.weight.over(self.total)
        self.model.train()
        self.since = time.perf_counter()
        with interruption() as asked, asked.awaited():
            if self.progress.due:
                self._validate(_until(asked, validation), observer)
            for batch in self._batches(asked):
                self._step(batch, observer)
                self.progress.due = self.progress.position == 0 or self.progress.step == self.total
                if self.progress.due:
                    self._validate(_until(asked, validation), observer)
                elif self.progress.step % self.settings.checkpoint_every == 0:
                    self._count_seconds()
                    self._save(weights=self.progress.best_step == 0)
            if asked.number and self.progress.step and not self.progress.due:
                self._count_seconds()
                self._save(weights=self.progress.best_step == 0)
        return self.progress.finished

    def _batches(self, asked: Interruption) -> Iterator[Batch]:
        """Yield batches from where the run stands; move the position on before each is trained."""
        progress = self.progress
        while progress.step < self.total and not progress.finished and not asked.number:
            steps = self.loader.steps(progress.epoch)
            if progress.position >= steps:
                place = f"batch {progress.position:,} of {steps:,} of epoch {progress.epoch:,}"
                raise RunError(f"{self.folder} stands after {place}", "restore the run from a copy")
            for batch in self.loader.epoch(progress.epoch, start=progress.position):
                progress.step += 1
                progress.position += 1
                if progress.position == steps:
                    progress.epoch, progress.position = progress.epoch + 1, 0
                yield batch
                if progress.finished or progress.step == self.total or asked.number:
                    return

    def update(self, batch: Batch, frozen: str = "", number: int = 0) -> Terms:
        """Make one update of all weights but those of a part; see :class:`latentia.training.plans.Stepper`."""
        self._seed(number)
        weight = self.objective.weight_at(self.step)
        terms = self.objective(self.model(batch.to(self.accelerator.device), kl_weight=weight), self.step)
        self._descend((terms.loss + terms.apart).mean(), batch, frozen)
        return terms

    def update_auxiliary(self, batch: Batch, number: int) -> None:
        """Make one update of the auxiliary network alone; see :class:`latentia.training.plans.Stepper`."""
        self._seed(number)
        model = cast(TextModel, self.plain_model)
        batch = batch.to(self.accelerator.device)
        with self.accelerator.autocast():
            with torch.no_grad():
                latent = model.draw(batch, kl_weight=self.objective.weight_at(self.step))
            costs = model.auxiliary(latent, batch)
        self._descend(torch.stack(list(costs.values())).sum(dim=0).mean(), batch)

    def _seed(self, number: int) -> None:
        """Begin the noise of one update of the step under way."""
        torch.manual_seed(_mix(self.seed, self.step) if number == 0 else _mix(_mix(self.seed, self.step), number))

    def _descend(self, loss: Tensor, batch: Batch, frozen: str = "") -> None:
        """Follow the gradient of a loss in all weights but those of a part."""
        self.accelerator.backward(loss)
        for part in FROZEN_WITH[frozen]:
            for weight in self.plain_model.get_submodule(part).parameters():
                weight.grad = None
        largest = self.settings.clip_norm or math.inf
        norms = [self.accelerator.clip_grad_norm_(weights, largest) for weights in self.clipped_together]
        update = (self.step, loss.detach(), torch.stack(norms).sum(), batch)
        self.guard.before(self.optimizer.optimizer, update, self.loader.corpus)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def another(self, number: int) -> Batch:
        """Return a random batch of the epoch, the same for the same step and number."""
        return self.loader.random(self.progress.epoch, self.step, number)

    def restore(self, part: str, weights: Mapping[str, Tensor]) -> None:
        """Give a part of the model these weights, and the optimiser no memory of it."""
        for name, weight in self.plain_model.get_submodule(part).named_parameters():
            weight.data.copy_(weights[name])
            self.optimizer.optimizer.state.pop(weight, None)

    def _step(self, batch: Batch, observer: Observer) -> None:
        """Take one step of the plan."""
        for group in self.optimizer.param_groups:
            rate = self.settings.optimizer.rate.factor(self.step, self.total)
            group["lr"] = self.settings.optimizer.learning_rate * rate * group["pace"]
        terms = self.settings.plan.step(batch, self)
        self._record(batch, terms, observer)

    @property
    def step(self) -> int:
        """The step under way, counted from 0."""
        return self.progress.step - 1

    def _record(self, batch: Batch, terms: Terms, observer: Observer) -> None:
        """Keep the terms on the device; read them back once in a while."""
        self.window.add(batch, terms)
        # What stands in for the KL tells its weight; where nothing does, as beside an adversary, the KL counts whole.
        weight = terms.weights[self.objective.name] if self.objective.beta else 1.0
        self._tell_leaps(self.alarm.after(self.progress.step, terms.parts["kl"].detach().mean(), weight), observer)
        observer.advance(self.progress)
        if self.progress.step % LOG_EVERY == 0 or self.progress.step == self.total:
            observer.step({"step": self.progress.step, "epoch": self.progress.epoch, **self.window.averages()})
            self.window = _Window()
            self._tell_leaps(self.alarm.look(), observer)
            if self.accelerator.device.type == "cpu":
                give_back_free_memory()

    def _tell_leaps(self, leaps: Iterable[Leap], observer: Observer) -> None:
        for leap in leaps:
            observer.leap({"epoch": self.progress.epoch, **leap._asdict()})

    def _validate(self, validation: Callable[[], Iterable[Batch]], observer: Observer) -> None:
        """Measure, keep the best weights, and decide whether to go on; interrupted, save and leave it due."""
        rule, progress = self.settings.stopping, self.progress
        self.window.wait()
        self._tell_leaps(self.alarm.look(), observer)
        self._count_seconds()
        try:
            batches = (batch.to(self.accelerator.device) for batch in validation())
            record = validate(self.model, self.objective, batches, progress.step, self.seed)
        except _StoppedError:
            self._save(weights=progress.best_step == 0)
            return
        self._require_finite({name: record[name] for name in COSTS})
        self._tell_plan(record)
        seconds, progress.seconds, progress.due = progress.seconds, 0.0, False
        self.window = _Window()
        if progress.step >= self.objective.weight.settled_at:
            progress.waited += 1
            if record[rule.metric] < progress.best:
                progress.best, progress.best_step, progress.waited = record[rule.metric], progress.step, 0
        progress.finished = progress.step == self.total or 0 < rule.patience <= progress.waited
        place = {"step": progress.step, "epoch": progress.epoch, "best_step": progress.best_step}
        timed = {"seconds": seconds} if progress.position == 0 else {}
        observer.validation({**place, **timed, **record})
        self._save(weights=progress.best_step in (0, progress.step))
        self.since = time.perf_counter()

    def _require_finite(self, measured: Mapping[str, float]) -> None:
        """Save and stop where a validation has no cost: one that is not a number is never better than another."""
        for name, value in measured.items():
            if not math.isfinite(value):
                self._save(weights=self.progress.best_step == 0)
                place = f"the validation after step {self.progress.step}"
                raise NumericalError(f"{place} has {name} {value}", DIVERGED)

    def _tell_plan(self, record: Mapping[str, float]) -> None:
        """Let the plan hear a validation; where it would remember what is not finite, it has not heard it."""
        memory, before = self.progress.memory, dict(self.progress.memory)
        self.settings.plan.validated(record)
        if not all(map(math.isfinite, memory.values())):
            heard = dict(memory)
            memory.clear()
            memory.update(before)
            self._require_finite(heard)

    def _count_seconds(self) -> None:
        """Add the time since it was last counted to that of the epoch."""
        now = time.perf_counter()
        self.progress.seconds += now - self.since
        self.since = now

    def _save(self, weights: bool) -> None:
        """Write a checkpoint and, if they are the best or there are no better, the weights that everyone else opens."""
        self.guard.look(self.loader.corpus)
        optimizer, progress = self.optimizer.optimizer, self.progress
        require_finite(self.plain_model, optimizer, progress.memory, progress.step)
        with interruption() as asked, asked.unhurried():
            if weights:
                save_weights(self.plain_model, self.folder)
            self.checkpoints.save(self.plain_model, optimizer, progress)


CLIPPED_APART = ("auxiliary", "mask")
"""Parts of a model: the gradient of a critic may be a million times the model's, which would stand still."""


def _sides_of(model: nn.Module) -> list[list[nn.Parameter]]:
    """Return the weights of each side of the training."""
    sides: dict[str, list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        part = name.partition(".")[0]
        sides.setdefault(part if part in CLIPPED_APART else "", []).append(weight)
    return list(sides.values())


class _Window:
    """Sums of the terms since the last record."""

    def __init__(self) -> None:
        self.start, self.tokens, self.steps = time.perf_counter(), 0, 0
        self.totals: dict[str, Tensor] = {}
        self.weights: dict[str, float] = {}

    def add(self, batch: Batch, terms: Terms) -> None:
        """Add a step without reading anything back."""
        costs = {"loss": terms.loss, "negative_elbo": terms.bound, **terms.parts}
        for name, cost in costs.items():
            mean = cost.detach().mean()
            self.totals[name] = self.totals[name] + mean if name in self.totals else mean
        self.weights = dict(terms.weights)
        self.tokens += batch.token_count
        self.steps += 1

    def wait(self) -> None:
        """Wait until the device has done the steps."""
        for total in self.totals.values():
            total.item()

    def averages(self) -> dict[str, float]:
        """Averages a sequence, the weights last used, and tokens a second."""
        values = torch.stack(list(self.totals.values())).div(self.steps).tolist()
        weights = {f"weight_{name}": weight for name, weight in self.weights.items()}
        speed = self.tokens / (time.perf_counter() - self.start)
        return {**dict(zip(self.totals, values, strict=True)), **weights, "tokens_per_second": speed}


def wants_bfloat16(precision: str) -> bool:
    """Tell whether to compute in bfloat16: where asked for, or where the processor multiplies it natively."""
    if precision != "auto":
        return precision == "bfloat16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return multiplies_bfloat16()


def _mix(seed: int, step: int) -> int:
    """One 63-bit number from two, so that neighbouring seeds and steps share no noise."""
    value = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) & (2**64 - 1)
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    return (value ^ (value >> 31)) & (2**63 - 1)


class _StoppedError(Exception):
    """A signal came during a validation."""


def _until(asked: Interruption, validation: Callable[[], Iterable[Batch]]) -> Callable[[], Iterator[Batch]]:
    """Yield the batches of a validation as long as no signal comes."""

    def batches() -> Iterator[Batch]:
        for batch in validation():
            if asked.number:
                raise _StoppedError
            yield batch

    return batches
