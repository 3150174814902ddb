"""The most memory that this process has held since a moment, as Linux counts it."""

from __future__ import annotations

from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"


def peak_begun() -> int:
    """Begin to count anew; return the bytes that are held now."""
    _CLEAR.write_text(RESET_PEAK)
    return _bytes("VmRSS")


def grown(before: int) -> int:
    """Return how many bytes more than before were held at the most."""
    return max(0, _bytes("VmHWM") - before)


def _bytes(name: str) -> int:
    """Read one of the kernel's counts, which are in kibibytes."""
    lines = _STATUS.read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])
