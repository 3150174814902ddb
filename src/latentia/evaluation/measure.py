"""The family of measures: groups of numbers that are asked for by name."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from latentia.evaluation.subject import Advance, Subject
from latentia.records import Batch

Result = dict[str, Any]
Line = tuple[str, str, str]
"""What a number is, its value, and its standard error or what else a reader must know of it."""


class Measure(ABC):
    """A group of numbers about a subject; the constructor's arguments are its settings and are kept beside them.

    A number is ``{"value": ..., "standard_error": ...}`` with what else it depends on, and its name says its estimator.
    The result is plain JSON: none where there is no number, never NaN or infinity.
    """

    @property
    def settings(self) -> Result:
        """Arguments of the constructor, each of which is kept under its name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @abstractmethod
    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Return the numbers; the same ones for the same subject.

        Args:
            subject: What is measured.
            advance: Called with the work done, in the unit of ``work``.
        """

    @abstractmethod
    def lines(self, result: Result) -> Sequence[Line]:
        """Lay out the numbers for a person."""

    def work(self, subject: Subject) -> int:
        """Return how much work there is, for a progress bar."""
        return len(subject.held_out)

    def unfit(self, subject: Subject) -> str:
        """Say why the measure means nothing for the subject; empty where it means something."""
        return ""


def counted(batches: Iterable[Batch], advance: Advance) -> Iterable[Batch]:
    """Tell how many sequences each batch held once it is done with."""
    for batch in batches:
        yield batch
        advance(len(batch))


def line(
    name: str, number: Result, note: str = "", *, digits: int = 3, absent: str = "not defined for this space"
) -> Line:
    """A number, its standard error with what else is to be noted, or why there is none.

    >>> line("swap", {"value": 1.25, "standard_error": 0.1}, " over 10", digits=1)
    ('swap', '1.2', '± 0.100 over 10')
    """
    if number["value"] is None:
        return name, "none", absent
    return name, f"{number['value']:.{digits}f}", f"± {number['standard_error']:.{max(3, digits)}f}{note}"


def beside_real(name: str, sampled: Result, real: Result, digits: int = 3) -> Line:
    """A number of samples beside that of real text in their place; none where either is beyond floats.

    >>> beside_real("self-BLEU", {"value": 8.0, "standard_error": 0.5}, {"value": 9.0, "standard_error": 0.4})
    ('self-BLEU', '8.000', '± 0.500; real text 9.000')
    """
    if real["value"] is None:
        sampled = real
    note = "" if real["value"] is None else f"; real text {real['value']:.{digits}f}"
    return line(name, sampled, note, digits=digits, absent="beyond floats")
