"""How far a code moves when a word is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from latentia.evaluation.code_use import derangement
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.subject import Advance, Subject
from latentia.functional.importance import ratio_and_standard_error
from latentia.records import Batch
from latentia.shapes import AtLeastTwo

BATCH = 256


class WordDeletion(Measure):
    r"""Distance of a sequence's code to that of the sequence less one word, over that to the code of another sequence.

    .. math::
        \frac{\sum_n \lVert c(x_n) - c(x_n^-) \rVert}{\sum_n \lVert c(x_n) - c(x_{\pi(n)}) \rVert}

    with ``c`` the centre of the posterior, ``x^-`` the sequence without one token, chosen at random, and ``\pi`` a
    random permutation that leaves none in its place. Near 0, sequences that are nearly the same have nearly the same
    code; at 1 a deleted word moves a code as far as a new sequence does. Denoising autoencoders are made to have a
    lower one (Shen et al., 2020, section 4). A collapsed model's is a ratio of two numbers near 0: read it beside the
    information.

    Args:
        sequences: Held-out sequences of two tokens and more, chosen by the seed.

    Source: Shen, Mueller, Barzilay and Jaakkola, Educating Text Autoencoders: Latent Representation Guidance via
    Denoising, 2020, section 5.1, which looks for the original among the nearest codes instead.
    """

    def __init__(self, sequences: AtLeastTwo = 1000) -> None:
        """Take the number."""
        self.sequences = sequences

    def unfit(self, subject: Subject) -> str:
        """Codes of one a step have no distance; one sequence has no other."""
        if not subject.model.whole_codes:
            return "the codes are one a step, and those of a shorter sequence are fewer"
        return "" if len(self._chosen(subject)) > 1 else "fewer than two sequences of two tokens are held out"

    def work(self, subject: Subject) -> int:
        """Count the sequences."""
        return len(self._chosen(subject))

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Encode each sequence with and without a word."""
        whole = self._chosen(subject)
        random = np.random.default_rng(subject.seed)
        left_out = [int(random.integers(len(tokens))) for tokens in whole]
        shorter = [[*tokens[:at], *tokens[at + 1 :]] for tokens, at in zip(whole, left_out, strict=True)]
        with torch.random.fork_rng():
            torch.manual_seed(subject.seed)
            others = derangement(len(whole))
        codes = _centres(subject, whole, advance)
        moved, apart = (codes - _centres(subject, shorter)).norm(dim=1), (codes - codes[others]).norm(dim=1)
        value, error = ratio_and_standard_error(moved, apart) if apart.sum() > 0 else (None, None)
        return {"sequences": len(whole), "moved": {"value": value, "standard_error": error}}

    def lines(self, result: Result) -> Sequence[Line]:
        """One line."""
        note = f" over {result['sequences']:,} sequences"
        return [line("a deleted word moves the code, over another sequence's", result["moved"], note)]

    def _chosen(self, subject: Subject) -> list[list[int]]:
        chosen = subject.held_out.shuffled(subject.seed)
        long_enough = chosen.rows[chosen.corpus.lengths[chosen.rows] > 2]  # EOS is counted
        return [chosen.corpus.tokens(row) for row in long_enough[: self.sequences]]


def _centres(
    subject: Subject, sequences: Sequence[list[int]], advance: Advance = lambda _: None
) -> Float[Tensor, "N D"]:
    """The code that stands for each sequence, in their order."""
    order = sorted(range(len(sequences)), key=lambda each: len(sequences[each]))
    parts = []
    with torch.no_grad():
        for start in range(0, len(order), BATCH):
            batch = Batch.collate([sequences[each] for each in order[start : start + BATCH]])
            parts.append(subject.model.centres(batch, subject.steps))
            advance(len(batch))
    return torch.cat(parts)[torch.tensor(order).argsort()]
