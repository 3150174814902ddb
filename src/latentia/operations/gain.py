"""What is said of an augmentation: the conditions of the measurement, a gain a row, and what was written."""

from __future__ import annotations

from dataclasses import dataclass

from latentia.operations.aside import Aside

NONE, OVERSAMPLE, MIXUP = "none", "oversample", "mixup of codes"


@dataclass(frozen=True)
class Conditions(Aside):
    """What the numbers that follow were measured on.

    Attributes:
        tested: Test texts, the same for all, split off before anything was written.
        classes: Labels there are.
        sizes: Texts a class in the nested subsets.
        seeds: Draws of the subsets.
        copies: New texts for each text of a subset; what each method adds weighs as much.
        known: Test texts that were left out, because the generator was trained on them or chosen by them; -1 if its
            training texts are not at hand.
    """

    tested: int
    classes: int
    sizes: tuple[int, ...]
    seeds: int
    copies: int
    known: int

    def __str__(self) -> str:
        """Say it in sentences, above the columns of what follows."""
        columns = f"{'a class':>7}  {'features':8}  {'method':14}  {'accuracy':>8}   {'gain':>6}   interval"
        return f"{self.remark()}\n\n{columns}"

    def remark(self) -> str:
        """Say it in sentences."""
        test = f"accuracy of logistic regressions on {self.tested:,} test texts of {self.classes} classes"
        method = (
            f"mean of {self.seeds} draws of nested subsets; gain over {NONE} with its paired 95% bootstrap interval"
        )
        rows = f"what a method adds weighs as much as {self._copies()} of each text; numbers are percent"
        beware = [self._beware()] if self.known else []
        return "\n".join([test, method, rows, *beware])

    def _copies(self) -> str:
        return "one copy" if self.copies == 1 else f"{self.copies} copies"

    def _beware(self) -> str:
        if self.known < 0:
            return "beware: what the generator was trained on is not at hand; it may know the test texts"
        return f"{self.known:,} test texts were left out, which the generator was trained on or chosen by"


@dataclass(frozen=True)
class Gain:
    """Accuracy with a method, and what it adds to that without any.

    Attributes:
        size: Texts a class before augmentation.
        features: What the classifier reads: counts of tokens, or codes.
        method: Name of the method.
        accuracy: Share of the test texts, mean over the subsets.
        gain: Accuracy less that of none.
        low: Lower end of the interval of the gain.
        high: Upper end.
    """

    size: int
    features: str
    method: str
    accuracy: float
    gain: float
    low: float
    high: float

    def __str__(self) -> str:
        """Align with the other rows, in points."""
        row = f"{self.size:7d}  {self.features:8}  {self.method:14}  {100 * self.accuracy:8.2f}"
        if self.method == NONE:
            return row
        return f"{row}  {100 * self.gain:+6.2f}   [{100 * self.low:+.2f}, {100 * self.high:+.2f}]"


@dataclass(frozen=True)
class Quality(Aside):
    """What the texts of a method are like, at the largest size; a number that is not defined is none.

    Attributes:
        method: Name of the method.
        texts: Number of them; as many of each method that wrote three at least, because what follows depends on it.
        distinct_1: Different words, as a share of all words.
        distinct_2: Different pairs of words, as a share of all pairs.
        self_bleu: BLEU-4 of each text against the others, in percent.
        copied: Share that stand in the subset that they were made from; such of a model were left out before.
        training: Share that stand in the generator's training texts, if these are at hand.
    """

    method: str
    texts: int
    distinct_1: float | None
    distinct_2: float | None
    self_bleu: float | None
    copied: float | None
    training: float | None

    def __str__(self) -> str:
        """Say it in one line."""
        numbers = (
            ("distinct-1", self.distinct_1, ".3f"),
            ("distinct-2", self.distinct_2, ".3f"),
            ("self-BLEU", self.self_bleu, ".1f"),
            ("copies of their subset", self.copied, ".1%"),
            ("in the generator's training texts", self.training, ".1%"),
        )
        told = [f"{name} {value:{form}}" for name, value, form in numbers if value is not None]
        return f"{self.method}, {self.texts} texts: {', '.join(told) or 'too few to say more'}"
