"""Random histories of a run folder: no save removes the newest checkpoint, the best weights or what is another's."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import ClassVar

import torch
from hypothesis import seed as seeded
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from latentia.durable import locked
from latentia.errors import BusyError, LatentiaError
from latentia.training.checkpoint import KEPT, Checkpoints, Progress
from latentia.training.weights import WEIGHTS, read_tensors, save_weights
from tests.chaos import saving
from tests.chaos.report import Tally
from tests.chaos.tries import tried

LENGTH = 12
"""Things that are done in a history."""

STEPS = st.integers(1, 3)
NAMED = re.compile(r"step-\d{8}(-unvalidated)?")
STRANGE = ("step-00000002.bak", "mine", "step-7", "step-00000003.corrupt-0123abcd", "step-00000001.unreadable")


class Histories(RuleBasedStateMachine):
    """One run folder, what is done to it, and what has to be there after each save."""

    home: ClassVar[Path]
    counts: ClassVar[Tally]

    def __init__(self) -> None:
        """Begin with a run of two checkpoints, so that the next save removes one."""
        super().__init__()
        self.place = Path(mkdtemp(dir=self.home))
        self.folder = shutil.copytree(self.home / "template", self.place / "run")
        self.step, self.best, self.removed, self.wrong = saving.BEFORE, saving.BEFORE, 0, ""
        self.others: dict[Path, bytes] = {}

    @property
    def checkpoints(self) -> Path:
        """Their folder."""
        return self.folder / "checkpoints"

    @initialize()
    def begin(self) -> None:
        """Save once."""
        self.save(1, best=True, due=False)

    @rule(steps=STEPS, best=st.booleans(), due=st.booleans())
    def save(self, steps: int, best: bool, due: bool) -> None:
        """Train on and save, the best weights too or not."""
        self.step += steps
        model, optimizer = saving.parts(self.step)
        if best:
            self.best = self.step
            save_weights(model, self.folder)
        taken = self.checkpoints / f"step-{self.step:08d}{'-unvalidated' if due else ''}"
        self.others = {path: content for path, content in self.others.items() if taken not in path.parents}
        before = self._own()
        Checkpoints(self.folder).save(model, optimizer, Progress(step=self.step, due=due))
        self.removed += len(before - self._own())
        self._look()

    @rule()
    def restart(self) -> None:
        """Take the run up again, as another process would."""
        found = self._restored()
        self.wrong = self.wrong or ("" if found == self.step else f"step {found} was restored, not {self.step}")

    @rule(steps=st.lists(st.integers(1, 40), min_size=1, max_size=3))
    def copies_of_another(self, steps: list[int]) -> None:
        """Somebody puts checkpoints of another run beside those of this one, which is trained on."""
        for target in (self.checkpoints / f"step-{step:08d}" for step in steps):
            if not target.exists():
                shutil.copytree(self.home / "other" / "checkpoints" / f"step-{saving.BEFORE:08d}", target)
                self._mind(target)
        self.save(2, best=False, due=False)

    @rule(name=st.sampled_from(STRANGE))
    def put_beside(self, name: str) -> None:
        """Somebody keeps something of their own there."""
        target = self.checkpoints / name
        if not target.exists():
            shutil.copytree(self.home / "template" / "checkpoints" / f"step-{saving.BEFORE:08d}", target)
            self._mind(target)
            self.save(1, best=False, due=False)

    @rule(times=st.lists(st.integers(0, 2**32), min_size=1, max_size=4))
    def shuffle_times(self, times: list[int]) -> None:
        """Times of files are anything."""
        for number, path in enumerate(sorted(self.checkpoints.iterdir())):
            os.utime(path, (times[number % len(times)],) * 2)

    @rule()
    def share(self) -> None:
        """Another process would have the folder that this one holds."""
        with locked(self.folder):
            try:
                with locked(self.folder):
                    self.wrong = self.wrong or "two hold one folder"
            except BusyError:
                pass

    @precondition(lambda self: len(self._own()) == KEPT)
    @rule()
    def damage_the_newest(self) -> None:
        """A bit of the newest checkpoint flips, and a restart finds it."""
        path = max(self._own_folders()) / "optimizer.safetensors"
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
        self.step = self._restored()
        self._look()

    def _restored(self) -> int:
        """Take the run up again; checkpoints of others are set aside then, and lost to nobody."""
        try:
            progress = Checkpoints(self.folder).restore(*saving.parts(1))
        except LatentiaError as error:
            self.wrong = self.wrong or str(error)
            return self.step
        self.others = {path: content for path, content in self.others.items() if path.exists()}
        return progress.step if progress else 0

    def _mind(self, folder: Path) -> None:
        self.others |= {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def _own_folders(self) -> list[Path]:
        """Checkpoints of this run; others are minded."""
        named = [path for path in self.checkpoints.iterdir() if NAMED.fullmatch(path.name)]
        return [path for path in named if not any(other.is_relative_to(path) for other in self.others)]

    def _own(self) -> set[str]:
        return {path.name for path in self._own_folders()}

    def _look(self) -> None:
        """Say what is not there that has to be."""
        try:
            newest = Checkpoints(self.folder).newest().step
            weights = read_tensors(self.folder / WEIGHTS)["weight"]
        except LatentiaError as error:
            self.wrong = self.wrong or str(error)
            return
        lost = [path for path, content in self.others.items() if not path.exists() or path.read_bytes() != content]
        found = {
            f"the newest whole checkpoint is of step {newest}, and {self.step} was saved": newest == self.step,
            f"{lost[:1]} of another was removed": not lost,
            "the best weights are others": torch.equal(weights, saving.parts(self.best)[0].weight),
            f"{len(self._own())} checkpoints are kept": len(self._own()) <= KEPT,
        }
        self.wrong = self.wrong or next((wrong for wrong, right in found.items() if not right), "")

    def teardown(self) -> None:
        """Count the history."""
        shutil.rmtree(self.place)
        self.counts.add(self.wrong, fired=self.removed > 0)


def tally(home: Path, count: int, seed: int) -> Iterator[Tally]:
    """Walk through so many histories; one counts in which a save has removed a checkpoint."""
    counts = Tally("histories of checkpoints", count)
    if not (home / "other").exists():
        saving.template(home / "template")
        saving.template(home / "other", "of another run")
    machine = type("Machine", (Histories,), {"home": home, "counts": counts})
    run_state_machine_as_test(seeded(seed)(machine), settings=settings(tried(count), stateful_step_count=LENGTH))
    yield counts
