"""How far a code moves when a word is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from latentia.data import Selection
from latentia.evaluation.estimates import ratio
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.subject import ROWS_AT_A_TIME, Advance, Subject
from latentia.functional.permutation import derangement
from latentia.records import Batch
from latentia.shapes import AtLeastTwo


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

    Source: ours; the question is that of Shen, Mueller, Barzilay and Jaakkola, Educating Text Autoencoders: Latent
    Representation Guidance via Denoising, 2020, section 5.1, who count how many of the sequences with the nearest codes
    are also the nearest by edits.
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
        chosen = self._chosen(subject)
        codes = subject.centres(chosen)
        shorter = _shorter(subject, chosen, advance)
        with torch.random.fork_rng():
            torch.manual_seed(subject.seed)
            others = codes[derangement(len(codes))]
        return {"sequences": len(chosen), "moved": ratio((codes - shorter).norm(dim=1), (codes - others).norm(dim=1))}

    def lines(self, result: Result) -> Sequence[Line]:
        """One line."""
        note = f" over {result['sequences']:,} sequences"
        return [line("a deleted word moves the code, over another sequence's", result["moved"], note)]

    def _chosen(self, subject: Subject) -> Selection:
        shuffled = subject.held_out.shuffled(subject.seed)
        long_enough = shuffled.rows[shuffled.corpus.lengths[shuffled.rows] > 2]  # EOS is counted
        return Selection(shuffled.corpus, long_enough).first(self.sequences)


def _shorter(subject: Subject, chosen: Selection, advance: Advance) -> Float[Tensor, "N D"]:
    """Return the code of each sequence less one token, in the order of the selection."""
    random = np.random.default_rng(subject.seed)
    parts = []
    for rows in np.array_split(chosen.rows, -(-len(chosen) // ROWS_AT_A_TIME)):
        batch = Batch.collate([_without_one(chosen.corpus.tokens(row), random) for row in rows])
        with torch.no_grad():
            parts.append(subject.model.centres(batch, subject.steps))
        advance(len(batch))
    return torch.cat(parts)


def _without_one(tokens: list[int], random: np.random.Generator) -> list[int]:
    left_out = int(random.integers(len(tokens)))
    return tokens[:left_out] + tokens[left_out + 1 :]
