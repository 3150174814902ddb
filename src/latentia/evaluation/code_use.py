"""Does the decoder use the code: what it costs to decode a sequence from the code of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from latentia.decoding import Greedy
from latentia.evaluation.estimates import average
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.subject import Advance, Subject
from latentia.functional.permutation import derangement
from latentia.records import Batch
from latentia.shapes import AtLeastTwo

BATCH = 64
TINY = 1e-12


class CodeUse(Measure):
    r"""Nats a sequence that its own code saves the decoder.

    .. math::
        \log p(x \mid z) - \log p(x \mid z'), \qquad z \sim q(z|x)

    with ``z'`` the code of another sequence (``swap_cost``), a draw from the prior (``prior_cost``), and, with the
    other sign, the centre of the same posterior (``noise_cost``: what the posterior's noise costs). A decoder that
    ignores the code has 0 in all three; an autoencoder in disguise has 0 in the last alone. ``different_texts`` is the
    share of sequences whose code and whose swapped code are decoded to different texts, greedily. ``noise_share`` is
    the share of the variance of codes that the noise of their posteriors makes, averaged over the dimensions: 1 where
    the posteriors are the prior, near 0 in an autoencoder.

    Args:
        sequences: Held-out sequences to score, chosen by the seed.
        decoded: Of these, as many are decoded.

    Source: the swap is the permutation test of Bosc and Vincent, Do sequence-to-sequence VAEs learn global features of
    sentences?, 2020, made on codes.
    """

    def __init__(self, sequences: AtLeastTwo = 1000, decoded: AtLeastTwo = 100) -> None:
        """Keep the settings."""
        self.sequences, self.decoded = sequences, decoded

    def unfit(self, subject: Subject) -> str:
        """Codes of one a step fit no other sequence; one sequence has no other."""
        if not subject.model.whole_codes:
            return "the codes are one a step, and that of a sequence fits no other"
        return "there is one sequence, and no other code to give it" if len(subject.held_out) < 2 else ""

    def work(self, subject: Subject) -> int:
        """Count the sequences."""
        return min(self.sequences, len(subject.held_out))

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Score each sequence under four codes."""
        chosen = subject.held_out.shuffled(subject.seed).first(self.sequences)
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(subject.seed)
            batches = list(chosen.batches(BATCH))
            own = torch.cat([subject.model.draw(batch).sample[0] for batch in batches])
            centres = torch.cat([subject.model.centres(batch, subject.steps) for batch in batches])
            swapped = own[derangement(len(own))]
            codes = torch.stack([own, swapped, subject.model.sample(len(own), subject.steps), centres])
            scores = torch.cat(list(_scores(subject, batches, codes, advance)), dim=1)
        apart = self._decoded(subject, own, swapped)
        return {
            "sequences": len(own),
            "log_likelihood": average(scores[0]),
            "swap_cost": average(scores[0] - scores[1]),
            "prior_cost": average(scores[0] - scores[2]),
            "noise_cost": average(scores[3] - scores[0]),
            "noise_share": average((own - centres).square().div(own.var(dim=0).clamp(min=TINY)).mean(dim=1)),
            "different_texts": {**average(apart), "sequences": len(apart)},
        }

    def _decoded(self, subject: Subject, own: Tensor, swapped: Tensor) -> Float[Tensor, " decoded"]:
        """1 where the two codes of a sequence are decoded to different texts, 0 where to the same."""
        # Batches come by length: every so many sequences is a fair choice, the first ones are the shortest.
        some = torch.linspace(0, len(own) - 1, min(self.decoded, len(own))).long()
        ours, theirs = (subject.written(codes[some], Greedy()) for codes in (own, swapped))
        return torch.tensor([float(a != b) for a, b in zip(ours, theirs, strict=True)])

    def lines(self, result: Result) -> Sequence[Line]:
        """One line a cost."""
        titles = {
            "swap_cost": "cost of the code of another sequence",
            "prior_cost": "cost of a code from the prior",
            "noise_cost": "cost of the posterior's noise",
            "noise_share": "share of the codes' variance that is noise",
            "different_texts": "texts that a swapped code changes",
        }
        return [line(title, result[key]) for key, title in titles.items()]


def _scores(
    subject: Subject, batches: Sequence[Batch], codes: Float[Tensor, "kinds N *code"], advance: Advance
) -> Iterator[Float[Tensor, "kinds B"]]:
    """Log-likelihood of each batch under its rows of each kind of code."""
    for batch, part in zip(batches, codes.split([len(batch) for batch in batches], dim=1), strict=True):
        yield subject.model.decoder(part).log_prob(batch)
        advance(len(batch))
