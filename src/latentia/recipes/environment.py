"""What the numbers of a run may depend on beside its recipe and its data."""

from __future__ import annotations

import json
import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from latentia.durable import is_file, read_bounded
from latentia.nn.vocabulary import token_log_prob
from latentia.training.loop import wants_bfloat16

ENVIRONMENT = "environment.json"

_LONGEST = 80


def environment() -> dict[str, Any]:
    """Return versions, processor and number of threads."""
    packages = ("latentia", "torch", "numpy", "tokenizers", "accelerate", "pyarrow")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "processor_has_bfloat16": wants_bfloat16("auto"),
        "threads": torch.get_num_threads(),
        "vocabulary_loss": f"{token_log_prob.__module__}.{token_log_prob.__name__}",
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else "",
        "packages": {name: version(name) for name in packages},
    }


def differences(folder: Path) -> list[str]:
    """Name what has changed since a run was begun, as far as it is on record; a new kernel changes no number.

    >>> differences(Path("no run"))
    []
    """
    before, now = _flat(_recorded(folder / ENVIRONMENT)), _flat(environment())
    common = [name for name in now if name in before and name != "platform"]
    return [f"{name} {before[name]} -> {now[name]}" for name in common if before[name] != now[name]]


def _processor() -> str:
    """Name the processor as the system does."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _recorded(path: Path) -> dict[str, Any]:
    """Read the record of a run; one of an older version may lack anything."""
    try:
        record: Any = json.loads(read_bounded(path)) if is_file(path) else {}
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _flat(record: dict[str, Any]) -> dict[str, str]:
    """Put the versions of packages beside the rest, everything as it is shown."""
    packages = record.get("packages")
    known = {**record, **(packages if isinstance(packages, dict) else {})}
    return {name: str(value)[:_LONGEST] or "none" for name, value in known.items() if name != "packages"}
