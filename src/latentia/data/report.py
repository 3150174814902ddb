"""An account of every line that was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from latentia.errors import DataError

MAX_LINE_BYTES = 2**20
"""A longer line is left out as over-long, and never held in memory."""

KINDS = {
    "empty": "empty",
    "invalid_utf8": "not valid UTF-8",
    "nul": "with NUL bytes",
    "malformed": "malformed, or with a text or label that is missing or of another type",
    "over_long": f"longer than data.max_tokens or {MAX_LINE_BYTES // 2**20} MiB",
}
"""Why a line is left out, and how to say it."""

REMEDIES = {
    "invalid_utf8": "convert the file to UTF-8, for instance with iconv",
    "over_long": "raise data.max_tokens, or put one sequence on a line",
    "malformed": "mend the lines, or name the column of text with --text COLUMN",
}
"""What to do where nothing is left; for every other reason, give text."""


@dataclass
class ReadReport:
    """Lines read, used, and left out by reason: ``read = used + the sum of left_out``.

    Attributes:
        sources: Files and datasets read.
        read: Lines (or rows) seen.
        used: Lines that became sequences.
        left_out: Number of lines by reason, one of :data:`KINDS`.
        first: Where the first line of each reason stands, ``file:line``.
        cut: Used lines that lost what is beyond the limit of tokens.
        reserved_words: Used lines that hold ``<pad>``, ``<bos>`` or ``<eos>`` as text.
        unknown_tokens: Tokens outside the vocabulary.
        tokens: Tokens, end of sequence not counted.
    """

    sources: list[str] = field(default_factory=list)
    read: int = 0
    used: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    reserved_words: int = 0
    unknown_tokens: int = 0
    tokens: int = 0

    def leave_out(self, kind: str, where: str) -> None:
        """Count one line left out."""
        self.left_out[kind] = self.left_out.get(kind, 0) + 1
        self.first.setdefault(kind, where)

    def withdraw(self, kind: str, where: str) -> None:
        """Leave out a line that was already counted as used."""
        self.used -= 1
        self.leave_out(kind, where)

    def require(self, minimum: int) -> None:
        """Check that enough lines are used.

        Raises:
            DataError: If fewer than ``minimum`` are; the error holds the whole account.
        """
        if self.used >= minimum:
            return
        remedy = f"give at least {minimum} sequence{'s' if minimum > 1 else ''}, one a line"
        if not self.used and self.left_out:
            remedy = REMEDIES.get(max(self.left_out, key=self.left_out.__getitem__), remedy)
        raise DataError(f"{_listed(self.sources)}: {'; '.join(self.sentences())}; at least {minimum} needed", remedy)

    def sentences(self) -> list[str]:
        """Say what was read, a sentence a fact.

        >>> ReadReport(read=3, used=2, left_out={"empty": 1}, first={"empty": "a.txt:2"}).sentences()
        ['2 of 3 lines used', '1 line empty, left out (first a.txt:2)']
        """
        said = [f"{self.used:,} of {self.read:,} lines used"]
        said += [
            f"{_lines(count)} {KINDS[kind]}, left out (first {self.first[kind]})"
            for kind, count in self.left_out.items()
        ]
        if self.cut:
            said.append(f"{_lines(self.cut)} cut to the longest length")
        if self.reserved_words:
            said.append(f"{_lines(self.reserved_words)} with <pad>, <bos> or <eos>, read as text")
        if self.unknown_tokens:
            said.append(f"{self.unknown_tokens / self.tokens:.2%} of the tokens are outside the vocabulary")
        return said


def _listed(names: Sequence[str]) -> str:
    """Name three, and count the rest.

    >>> _listed(["a.txt", "b.txt", "c.txt", "d.txt"])
    'a.txt, b.txt, c.txt and 1 more'
    """
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def _lines(count: int) -> str:
    return f"{count:,} line{'s' if count > 1 else ''}"
