"""The training loop."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from latentia.data.loader import Loader
from latentia.errors import NumericalError
from latentia.models import TextModel
from latentia.objectives import Objective
from latentia.records import Batch, Terms
from latentia.training.checkpoint import Checkpoints, Progress, save_weights
from latentia.training.optimizers import groups_of
from latentia.training.settings import Training
from latentia.training.validation import validate

DIVERGED = "lower training.optimizer.learning_rate or training.clip_norm; what was saved before is intact"
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
    """

    def __init__(self, model: nn.Module, objective: Objective, settings: Training, folder: Path, seed: int) -> None:
        """Prepare model and optimiser for the device and the precision."""
        from accelerate import Accelerator  # a second to import, and only training needs it

        self.objective, self.settings, self.folder, self.seed = objective, settings, folder, seed
        self.accelerator = Accelerator(mixed_precision="bf16" if wants_bfloat16(settings.precision) else "no")
        optimizer = settings.optimizer.build(groups_of(model))
        self.plain_model = model
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        # A critic's gradient may be a million times the model's, which would then stand still.
        named = list(model.named_parameters())
        apart = [weight for name, weight in named if name.startswith("auxiliary.")]
        together = [weight for name, weight in named if not name.startswith("auxiliary.")]
        self.clipped_together = [weights for weights in (together, apart) if weights]
        self.checkpoints = Checkpoints(folder)
        self.progress = Progress(memory=settings.plan.memory)
        self.total, self.window, self.since = 0, _Window(), 0.0
        settings.plan.begin(model)

    def resume(self) -> None:
        """Take up the newest whole checkpoint."""
        self.progress = self.checkpoints.restore(self.plain_model, self.optimizer.optimizer)
        self.settings.plan.memory = self.progress.memory

    def fit(self, loader: Loader, validation: Callable[[], Iterable[Batch]], observer: Observer) -> bool:
        """Train until the recipe's end, an early stop or an interrupt; tell whether it ended of itself.

        Raises:
            NumericalError: When a loss, a gradient or a weight is not finite; no such weight is ever written.
        """
        self.loader, self.total = loader, self.settings.planned_steps(loader)
        self.objective.weight = self.objective.weight.over(self.total)
        self.model.train()
        self.since = time.perf_counter()
        with _interruptible() as interrupted:
            for batch in self._batches():
                self._step(batch, observer)
                if self.progress.position == 0 or self.progress.step == self.total:
                    self._validate(validation, observer)
                elif interrupted.is_set() or self.progress.step % self.settings.checkpoint_every == 0:
                    self._count_seconds()
                    self._save(weights=self.progress.best_step == 0)
                if interrupted.is_set():
                    break
        return self.progress.finished

    def _batches(self) -> Iterator[Batch]:
        """Yield batches from where the run stands; move the position on before each is trained."""
        progress = self.progress
        while progress.step < self.total and not progress.finished:
            steps = self.loader.steps(progress.epoch)
            for batch in self.loader.epoch(progress.epoch, start=progress.position):
                progress.step += 1
                progress.position += 1
                if progress.position == steps:
                    progress.epoch, progress.position = progress.epoch + 1, 0
                yield batch
                if progress.finished or progress.step == self.total:
                    return

    def update(self, batch: Batch, frozen: str = "", number: int = 0) -> Terms:
        """Make one update of all weights but those of a part; see :class:`latentia.training.plans.Stepper`."""
        self._seed(number)
        weight = self.objective.weight_at(self.step)
        terms = self.objective(self.model(batch.to(self.accelerator.device), kl_weight=weight), self.step)
        self._descend((terms.loss + terms.apart).mean(), frozen)
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
        self._descend(torch.stack(list(costs.values())).sum(dim=0).mean())

    def _seed(self, number: int) -> None:
        """Begin the noise of one update of the step under way."""
        torch.manual_seed(_mix(self.seed, self.step) if number == 0 else _mix(_mix(self.seed, self.step), number))

    def _descend(self, loss: Tensor, frozen: str = "") -> None:
        """Follow the gradient of a loss in all weights but those of a part."""
        self.accelerator.backward(loss)
        for part in FROZEN_WITH[frozen]:
            for weight in self.plain_model.get_submodule(part).parameters():
                weight.grad = None
        largest = self.settings.clip_norm or math.inf
        norms = [self.accelerator.clip_grad_norm_(weights, largest) for weights in self.clipped_together]
        self._require_finite(loss.detach(), torch.stack(norms).sum(), self.step)
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

    def _require_finite(self, loss: Tensor, norm: Tensor, step: int) -> None:
        """Stop before the weights change; on a GPU, where asking stalls the queue, only now and then."""
        if (loss.device.type == "cpu" or step % LOG_EVERY == 0) and not bool(torch.isfinite(loss + norm)):
            raise NumericalError(f"step {step} has loss {loss.item()} and gradient norm {norm.item()}", DIVERGED)

    def _record(self, batch: Batch, terms: Terms, observer: Observer) -> None:
        """Keep the terms on the device; read them back once in a while."""
        self.window.add(batch, terms)
        observer.advance(self.progress)
        if self.progress.step % LOG_EVERY == 0 or self.progress.step == self.total:
            observer.step({"step": self.progress.step, "epoch": self.progress.epoch, **self.window.averages()})
            self.window = _Window()

    def _validate(self, validation: Callable[[], Iterable[Batch]], observer: Observer) -> None:
        """Measure, keep the best weights, and decide whether to go on."""
        rule, progress = self.settings.stopping, self.progress
        seconds = self._epoch_seconds()
        batches = (batch.to(self.accelerator.device) for batch in validation())
        record = validate(self.model, self.objective, batches, progress.step, self.seed)
        self.window = _Window()
        self.settings.plan.validated(record)
        if progress.step >= self.objective.weight.settled_at:
            progress.waited += 1
            if record[rule.metric] < progress.best:
                progress.best, progress.best_step, progress.waited = record[rule.metric], progress.step, 0
        progress.finished = progress.step == self.total or 0 < rule.patience <= progress.waited
        place = {"step": progress.step, "epoch": progress.epoch, "best_step": progress.best_step}
        observer.validation({**place, **seconds, **record})
        self._save(weights=progress.best_step in (0, progress.step))
        self.since = time.perf_counter()

    def _epoch_seconds(self) -> dict[str, float]:
        """Return what the epoch that ends here took to train, and start anew; nothing for a part of an epoch."""
        self.window.wait()
        self._count_seconds()
        seconds, self.progress.seconds = self.progress.seconds, 0.0
        return {"seconds": seconds} if self.progress.position == 0 else {}

    def _count_seconds(self) -> None:
        """Add the time since it was last counted to that of the epoch."""
        now = time.perf_counter()
        self.progress.seconds += now - self.since
        self.since = now

    def _save(self, weights: bool) -> None:
        """Write a checkpoint and, if they are the best or there are no better, the weights that everyone else opens."""
        for name, weight in self.plain_model.named_parameters():
            if not bool(torch.isfinite(weight).all()):
                raise NumericalError(f"{name} is not finite after step {self.progress.step}", DIVERGED)
        if weights:
            save_weights(self.plain_model, self.folder / "model.safetensors")
        self.checkpoints.save(self.plain_model, self.optimizer.optimizer, self.progress)


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
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())  # noqa: SLF001


def _mix(seed: int, step: int) -> int:
    """One 63-bit number from two, so that neighbouring seeds and steps share no noise."""
    value = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) & (2**64 - 1)
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    return (value ^ (value >> 31)) & (2**63 - 1)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into a flag that is read after each step; only the main thread may."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(_signal: int, _frame: FrameType | None) -> None:
        event.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
