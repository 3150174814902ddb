"""Damage of files: every flipped bit and every missing end is seen, and the checkpoint before is used."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from latentia.errors import LatentiaError
from latentia.recipes.runs import load, open_run, validation_rows
from latentia.training.checkpoint import Checkpoints
from tests.chaos.report import Tally
from tests.chaos.training import start

FEWEST = 20_000
"""Lengths of all files together, at the least."""

OF_RUN = ("recipe.yaml", "run.json", "tokenizer.json", "tokenizer_config.json", "environment.json", "manifest.json")
OF_CHECKPOINT = ("model.safetensors", "optimizer.safetensors", "state.json", "manifest.json")


def tally(home: Path, count: int, every: int, seed: int) -> Iterator[Tally]:
    """Flip single bits of any file, and cut each file short at every so many bytes."""
    flipped, cut = Tally("single bits flipped", count), Tally("file cut short", FEWEST // every)
    for wrong, fired in flips(home, count, random.Random(seed)):
        flipped.add(wrong, fired=fired)
    for wrong, fired in cuts(home, every):
        cut.add(wrong, fired=fired)
    yield flipped
    yield cut


def flips(home: Path, count: int, generator: random.Random) -> Iterator[tuple[str, bool]]:
    """Flip one bit at a time; each file is as likely as another; say what was not seen, and if the file was another."""
    targets = _targets(home)
    for _ in range(count):
        path, check = generator.choice(targets)
        content = path.read_bytes()
        altered = bytearray(content)
        bit = generator.randrange(8 * len(content))
        altered[bit // 8] ^= 1 << bit % 8
        yield _seen(path, bytes(altered), content, check, f"bit {bit} of {path.name}")


def cuts(home: Path, every: int) -> Iterator[tuple[str, bool]]:
    """Cut each file short; say what was not seen, and whether the file was another."""
    for path, check in _targets(home):
        content = path.read_bytes()
        for length in range(0, len(content), every):
            yield _seen(path, content[:length], content, check, f"{length} bytes of {path.name}")


def _seen(path: Path, altered: bytes, content: bytes, check: Callable[[], object], what: str) -> tuple[str, bool]:
    """Say what is wrong with how a file is taken, and whether it differed when it was."""
    path.write_bytes(altered)
    try:
        check()
        wrong = f"{what} was not seen"
    except LatentiaError:
        wrong = ""
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        wrong = f"{what}: {type(error).__name__} {error}"
    differed = path.read_bytes() != content
    path.write_bytes(content)
    return wrong, differed


def _targets(home: Path) -> list[tuple[Path, Callable[[], object]]]:
    """Files of a run, a checkpoint and a folder to pass on, and what must refuse them."""
    folder, exported = home / "sound", home / "exported"
    if not folder.exists():
        start(home, "plain", folder)
        load(folder).save_pretrained(exported)
    newest = Checkpoints(folder)._found()[0]
    targets: list[tuple[Path, Callable[[], object]]] = [
        *((folder / name, lambda: open_run(folder)) for name in (*OF_RUN, "model.safetensors")),
        (folder / "data" / "train.arrow", lambda: validation_rows(folder)),
        *((newest / name, lambda: _fallen_back(folder, newest)) for name in OF_CHECKPOINT),
    ]
    passed_on = [path for path in exported.iterdir() if path.name != "README.md"]
    return targets + [(path, lambda: load(exported)) for path in passed_on]


def _fallen_back(folder: Path, newest: Path) -> None:
    """Refuse the newest checkpoint, and take the one before.

    Raises:
        LatentiaError: If that is so.
    """
    checkpoints = Checkpoints(folder)
    before = checkpoints.newest().step
    if before == int(newest.name[5:]):
        return
    if not before:
        raise RuntimeError("no checkpoint before it was found")
    checkpoints._contents(newest)


def copied(source: Path, target: Path) -> Path:
    """Copy a folder in the place of another."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
    return target
