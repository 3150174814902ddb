"""How much of the bound is lost by the recognition network, and how much by the family of its posteriors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from latentia.distributions import DiagonalGaussian
from latentia.evaluation.estimates import average
from latentia.evaluation.likelihood import scored_draws
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.sequences import frozen, grouped, marginals_of, not_euclidean, some_held_out
from latentia.evaluation.subject import Advance, Subject
from latentia.functional.importance import log_mean_exp
from latentia.objectives.base import sum_of_kl
from latentia.records import ModelRun
from latentia.shapes import PositiveFloat, PositiveInt

TOKENS_AT_A_TIME = 2**12
"""Tokens, those of all draws counted, whose gradients are held at once."""

Explain = Callable[[Distribution, int], ModelRun]
"""Draws so many codes from posteriors and scores the batch under each."""


class InferenceGap(Measure):
    r"""What lies between the bound and the likelihood: the gap of amortisation, and that of approximation.

    .. math::
        \log p(x) - L[q] =
        \underbrace{\log p(x) - L[q^*]}_\text{approximation} + \underbrace{L[q^*] - L[q]}_\text{amortisation}, \qquad
        q^* = \arg\max_{q \in \text{diagonal Gaussians}} L[q]

    ``q`` is the posterior that the model infers, and :math:`q^*` is found for each sequence by Adam on the mean and the
    log-variance of its code, from ``q``, with fresh noise at each step, a rate that falls to 0, and the model as it is.
    Neither bound is the best seen of several: both are evaluated once, with draws that no step has seen, the same
    noise for the two. The estimate of ``log p(x)`` has :math:`q^*` for its proposal, so that in expectation it is not
    above the truth, and neither is the gap of approximation; that of amortisation is too small by what the steps leave.

    Costs passes over a sequence: ``steps * draws`` with their gradients, and ``2 * samples`` without. As set, some
    three minutes of one core for sentences of 22 tokens of 10,000 words.

    Args:
        steps: Of Adam.
        learning_rate: Of the first step.
        draws: Codes whose mean bound a step ascends.
        samples: Fresh codes for both bounds, and ``K`` of the estimate of ``log p(x)``.
        sequences: Held-out sequences that are measured.

    Source: Cremer, Li and Duvenaud, Inference Suboptimality in Variational Autoencoders, 2018, section 3.
    """

    def __init__(
        self,
        steps: PositiveInt = 100,
        learning_rate: PositiveFloat = 0.05,
        draws: PositiveInt = 4,
        samples: PositiveInt = 100,
        sequences: PositiveInt = 32,
    ) -> None:
        """Take the settings."""
        self.steps, self.learning_rate, self.draws = steps, learning_rate, draws
        self.samples, self.sequences = samples, sequences

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Return both bounds, the estimate, and the gaps between them."""
        model, parts = subject.model, []
        with torch.random.fork_rng(), frozen(model):
            torch.manual_seed(subject.seed)
            for batch in grouped(some_held_out(subject, self.sequences), self.draws, TOKENS_AT_A_TIME):
                with torch.no_grad():
                    posterior = model.infer(batch)
                parts.append(self.bounds(partial(model.explain, batch), posterior))
                advance(len(batch))
        return self._result(torch.cat(parts, dim=1))

    def bounds(self, explain: Explain, posterior: Distribution) -> Float[Tensor, "3 B"]:
        """Return the bound under the posterior, that under the refined one, and the estimate of ``log p(x)``."""
        start = marginals_of(posterior)
        refined = refined_posterior(explain, start, self.steps, self.learning_rate, self.draws)
        # The generator is set back after the first, so that both see the same noise.
        with torch.random.fork_rng():
            elbo, _ = self._scored(explain, posterior)
        return torch.stack([elbo, *self._scored(explain, refined)])

    def work(self, subject: Subject) -> int:
        """Return the sequences measured."""
        return min(self.sequences, len(subject.held_out))

    def lines(self, result: Result) -> Sequence[Line]:
        """Lay out the bounds and the gaps."""
        names = {
            "elbo": ("negative ELBO", -1),
            "elbo_refined": (f"negative ELBO, posteriors refined by {self.steps} steps", -1),
            "nll_iw": (f"nll_iw({self.samples}), refined posteriors", 1),
            "amortisation_gap": ("amortisation gap", 1),
            "approximation_gap": (f"approximation gap, by nll_iw({self.samples})", 1),
        }
        return [
            line(name, {**result[key], "value": sign * result[key]["value"]}, f" over {result['sequences']:,}")
            for key, (name, sign) in names.items()
        ]

    def unfit(self, subject: Subject) -> str:
        """Codes must be vectors of Euclidean space."""
        return not_euclidean(subject)

    def _scored(self, explain: Explain, posterior: Distribution) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
        """ELBO and the importance-weighted estimate of ``log p(x)``; without gradients four times the draws fit."""
        log_likelihood, kl, log_weights = scored_draws(partial(explain, posterior), self.samples, 4 * self.draws)
        return log_likelihood - kl, log_mean_exp(log_weights)

    def _result(self, columns: Float[Tensor, "3 N"]) -> Result:
        elbo, refined, log_evidence = columns
        return {
            "sequences": columns.shape[1],
            "elbo": average(elbo),
            "elbo_refined": average(refined),
            "nll_iw": {**average(-log_evidence), "K": self.samples, "proposal": "refined posterior"},
            "amortisation_gap": average(refined - elbo),
            "approximation_gap": average(log_evidence - refined),
        }


def refined_posterior(
    explain: Explain, start: DiagonalGaussian, steps: int, learning_rate: float, draws: int
) -> DiagonalGaussian:
    """Ascend the ELBO of each example from a posterior; rows do not see each other.

    Args:
        explain: Must have gradients to the parameters of the posterior; any others are left alone.
        start: Where each example begins, batch shape ``[B]``.
        steps: Of Adam.
        learning_rate: Of the first step; it falls to 0 in a straight line.
        draws: Fresh codes of each step.
    """
    point = torch.cat(start.parameters, dim=-1).detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([point], lr=learning_rate)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - step / steps)
        with torch.enable_grad():
            run = explain(start.with_parameters(*point.chunk(2, dim=-1)), draws)
            cost = (sum_of_kl(run) - run.log_likelihood.mean(dim=0)).sum()
        (point.grad,) = torch.autograd.grad(cost, point)
        optimizer.step()
    return start.with_parameters(*point.detach().chunk(2, dim=-1))
