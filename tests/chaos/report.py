"""Counts of one class of faults."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Tally:
    """Faults of a class: put in, fired, survived; and the first few that were not survived."""

    name: str
    injected: int = 0
    fired: int = 0
    survived: int = 0
    note: str = ""
    failures: list[str] = field(default_factory=list)

    def add(self, wrong: str, fired: bool = True) -> None:
        """Count a fault; nothing wrong means that it was survived."""
        self.injected += 1
        self.fired += fired
        self.survived += fired and not wrong
        if wrong:
            self.failures.append(wrong)

    @property
    def good(self) -> bool:
        """Tell whether faults fired and all that did were survived; where none was put in, nothing was claimed."""
        return (self.fired > 0 or self.injected == 0) and self.survived == self.fired and not self.failures

    def line(self) -> str:
        """Return a row of the table."""
        verdict = "" if self.good else "  FAILED"
        counts = f"{self.injected:>9,} {self.fired:>9,} {self.survived:>9,}"
        return f"{self.name:<34}{counts}  {self.note}{verdict}"
