"""Counts of one class of faults."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Tally:
    """Faults of a class: put in, fired, survived; and what was not survived.

    A fault fired where there is evidence that it happened, which its class says: it is never taken for granted.

    Attributes:
        least: How many have to fire; a class without faults shows nothing, so that it is one at least.
    """

    name: str
    least: int
    injected: int = 0
    fired: int = 0
    survived: int = 0
    note: str = ""
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """A class that asks for nothing asks for one."""
        self.least = max(1, self.least)

    def add(self, wrong: str, *, fired: bool) -> None:
        """Count a fault that was put in; nothing wrong means that it was survived."""
        self.injected += 1
        self.fired += fired
        self.survived += fired and not wrong
        if wrong:
            self.failures.append(wrong)

    @property
    def good(self) -> bool:
        """Tell whether all faults fired, enough of them, and all were survived."""
        return self.least <= self.injected == self.fired == self.survived and not self.failures

    def line(self) -> str:
        """Return a row of the table."""
        verdict = "" if self.good else "  FAILED"
        counts = f"{self.injected:>9,} {self.fired:>9,} {self.survived:>9,}"
        wanted = f", {self.least:,} wanted" if self.injected < self.least else ""
        return f"{self.name:<34}{counts}  {self.note}{wanted}{verdict}"
