"""The likelihood by annealed importance sampling, and how far that can be from the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from latentia.evaluation.estimates import NO_NUMBER, average
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.sequences import frozen, grouped, marginals_of, not_euclidean, scorer, simulated, some_held_out
from latentia.evaluation.subject import Advance, Subject
from latentia.functional.annealing import Path, annealed_log_weights, pilot_steps, sigmoid_places
from latentia.functional.importance import log_mean_exp
from latentia.models import TextModel
from latentia.records import Batch
from latentia.shapes import PositiveInt

TOKENS_AT_A_TIME = 2**12
"""Tokens, those of all chains counted, whose gradients are held at once."""

BRACKET = {
    "nll_above": "-log p(x) is below, forward",
    "nll_below": "-log p(x) is above, reverse",
    "gap": "gap of the bracket",
}
TOO_FEW = "fewer than two of the model's sequences ended"


class AnnealedImportance(Measure):
    r"""The likelihood by annealing from the posterior ``q(z|x)`` to the joint ``p(x, z)``, and brackets of the truth.

    .. math::
        f_\beta(z) = q(z|x)^{1 - \beta} \, \big[ p(x|z) \, p(z) \big]^\beta

    Chains begin at draws from ``q(z|x)`` and take one Hamiltonian trajectory at each temperature. The weights are
    unbiased for ``p(x)`` however far the chains are from equilibrium, so that ``nll_ais`` is in expectation never below
    ``-log p(x)``, as ``nll_iw`` is, and nearer to it where the posterior fits badly. Step sizes are found in a run of
    their own.

    How near is told on sequences that the model itself wrote, ``simulated``: the code that a sequence was written from
    is an exact draw from its posterior, from which the same path is taken back for a number that is in expectation
    never above ``-log p(x)``. The mean of ``-log p(x)`` over such sequences lies between ``nll_above`` and
    ``nll_below``, and ``gap`` is their difference. Sequences that did not end are left out, which leaves the brackets
    of the others exact. Held-out sequences differ from written ones: theirs can be wider.

    Costs passes over a sequence with their gradients, ``temperatures * chains * leapfrogs`` of them in the pilot run
    and as many in each direction: 5 times so many for each of ``sequences``, held out and simulated. As set, some four
    minutes of one core for sentences of 22 tokens of 10,000 words.

    Args:
        temperatures: Steps of ``beta`` from 0 to 1, closer to each other near both ends.
        chains: Independent chains a sequence, whose weights are averaged.
        leapfrogs: Evaluations of the gradient at each temperature.
        sequences: Held-out sequences that are measured, and sequences that are simulated.

    Source: Neal, Annealed Importance Sampling, 2001; Grosse, Ghahramani and Adams, Sandwiching the Marginal Likelihood
    Using Bidirectional Monte Carlo, 2015; Wu et al., On the Quantitative Analysis of Decoder-Based Generative Models,
    2017.
    """

    def __init__(
        self,
        temperatures: PositiveInt = 40,
        chains: PositiveInt = 2,
        leapfrogs: PositiveInt = 3,
        sequences: PositiveInt = 16,
    ) -> None:
        """Take the settings."""
        self.temperatures, self.chains, self.leapfrogs, self.sequences = temperatures, chains, leapfrogs, sequences

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Return the estimate on held-out sequences, and both bounds on simulated ones."""
        with torch.random.fork_rng(), frozen(subject.model):
            torch.manual_seed(subject.seed)
            sequences = some_held_out(subject, self.sequences)
            parts = [each.up() for each in self._annealings(subject.model, sequences, advance)]
            nll, accepted = (torch.cat(column) for column in zip(*parts, strict=True))
            return {
                "estimator": f"nll_ais({self.temperatures}, {self.chains} chains of {self.leapfrogs} leapfrogs)",
                "sequences": len(nll),
                "nll_ais": average(nll),
                "accepted": average(accepted),
                "simulated": self._simulated(subject, advance),
            }

    def work(self, subject: Subject) -> int:
        """Return the sequences measured, held out and simulated."""
        return min(self.sequences, len(subject.held_out)) + self.sequences

    def lines(self, result: Result) -> Sequence[Line]:
        """Lay out the estimate and the bracket."""
        written = result["simulated"]
        of_written = f" over {written['sequences']:,} sequences that the model wrote"
        return [
            line(result["estimator"], result["nll_ais"], f" over {result['sequences']:,}"),
            line("trajectories accepted", result["accepted"]),
            *(line(name, written[key], of_written, absent=TOO_FEW) for key, name in BRACKET.items()),
        ]

    def unfit(self, subject: Subject) -> str:
        """Codes must be vectors of Euclidean space."""
        return not_euclidean(subject)

    def _simulated(self, subject: Subject, advance: Advance) -> Result:
        """Bracket the likelihood of sequences that the model wrote; none where fewer than two ended."""
        sequences, codes = simulated(subject.model, self.sequences, subject.steps)
        counts = {"drawn": self.sequences, "sequences": len(sequences)}
        advance(self.sequences - len(sequences))
        parts = [
            torch.stack([each.up()[0], each.down(codes[each.rows])])
            for each in self._annealings(subject.model, sequences, advance)
        ]
        above, below = torch.cat(parts, dim=1) if parts else torch.empty(2, 0)
        bounds = {"nll_above": above, "nll_below": below, "gap": above - below}
        return {**counts, **{name: average(each) if len(each) > 1 else NO_NUMBER for name, each in bounds.items()}}

    def _annealings(self, model: TextModel, sequences: list[list[int]], advance: Advance) -> Iterator[_Annealing]:
        """Yield what is needed to anneal each batch of the sequences, after a pilot run of it."""
        places, done = sigmoid_places(self.temperatures), 0
        for batch in grouped(sequences, self.chains, TOKENS_AT_A_TIME):
            rows = slice(done, done + len(batch))
            path, start = _path(model, batch)
            pilots, scale = start.sample(torch.Size([self.chains])), marginals_of(start).stddev
            steps = pilot_steps(path, pilots, places, scale, self.leapfrogs)
            yield _Annealing(path, start, places, steps, self.leapfrogs, self.chains, rows)
            done = rows.stop
            advance(len(batch))


@dataclass(frozen=True)
class _Annealing:
    """A batch of sequences, ready to be annealed."""

    path: Path
    start: Distribution
    places: list[float]
    steps: Float[Tensor, "moves B D"]
    leapfrogs: int
    chains: int
    rows: slice

    def up(self) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
        """Estimate of ``-log p(x)``, in expectation above it, and the share of trajectories accepted."""
        codes = self.start.sample(torch.Size([self.chains]))
        log_weights, accepted = annealed_log_weights(self.path, codes, self.places, self.steps, self.leapfrogs)
        return -log_mean_exp(log_weights), accepted

    def down(self, codes: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
        """Estimate of ``-log p(x)``, in expectation below it, from draws from the true posteriors.

        The chains of a sequence begin at its one draw: each weight is unbiased for ``1 / p(x)``, and so is their mean.
        """
        begin, places = codes.expand(self.chains, -1, -1), self.places[::-1]
        log_weights, _ = annealed_log_weights(self.path, begin, places, self.steps.flip(0), self.leapfrogs)
        return log_mean_exp(log_weights)


def _path(model: TextModel, batch: Batch) -> tuple[Path, Distribution]:
    """Return the path from the posterior to the joint of codes and batch, and the posterior."""
    with torch.no_grad():
        latent, score = model.draw(batch), scorer(model, batch)
    start = latent.posterior
    return Path(start.log_prob, lambda codes: score(codes) + latent.prior.log_prob(codes)), start
