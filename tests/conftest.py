"""Shared test setting: one thread, one seed.

The package must not be imported here: its annotations are checked by an import hook that pytest
installs after this file is read (`--jaxtyping-packages` in pyproject.toml).
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings

# A slow machine is no failure of the code, and a failure must come back in the next run.
settings.register_profile("latentia", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("latentia")
# Tests of signals hear them, also where all this was begun in the background of a shell, which ignores some.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)
# Workers share the processor; and a sum over threads is not the same sum in every run.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _alike() -> Iterator[None]:
    """Begin with one seed; what a test makes of the number of threads ends with it."""
    torch.manual_seed(0)
    yield
    torch.set_num_threads(1)
