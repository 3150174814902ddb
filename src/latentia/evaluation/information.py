"""How much codes say of their texts, in how many dimensions, and what the rest of the KL is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from latentia.distributions import CodeDistribution, DiagonalGaussian, information_of_each, kl_per_dimension
from latentia.evaluation.aggregate import active_units, aggregate_of, variances_of_means
from latentia.evaluation.estimates import NO_NUMBER, Estimate, average, variance
from latentia.evaluation.measure import Line, Measure, Result, counted, line
from latentia.evaluation.subject import Advance, Subject
from latentia.evaluation.surgery import surgery
from latentia.functional.dispersion import participation_ratio
from latentia.functional.resampling import bootstrap_error
from latentia.shapes import AtLeastTwo, PositiveFloat, PositiveInt

BATCH = 64
FEWEST = 4
"""Sequences that make two batches of two."""

SHOWN = 8
"""Dimensions of which the table has a line."""

TERMS = {
    "kl": "KL(q(z|x) || p(z))",
    "information_without_own": "information, full set, own component left out",
    "aggregate_kl": "KL(q(z) || p(z)) = KL - information",
    "total_correlation": "total correlation, KL(q(z) || prod q(z_i))",
    "dimension_wise_kl": "dimension-wise KL, sum of KL(q(z_i) || p(z_i))",
    "remainder": "KL less information and the two, 0 where the prior factorises",
}


class Information(Measure):
    """Information of the codes, the parts of the KL, and the dimensions that carry them.

    Information is estimated twice with its cap: on the full set, and as the mean over batches of random sequences,
    which other code reports and which no more than ``log batch`` can pass. The parts are those of
    :func:`~latentia.evaluation.surgery.surgery`; those that are not defined for the space are none. Dimensions come by
    their KL, in closed form for a diagonal Gaussian and none for others, each with its index and the variance of its
    means. Units are active from the threshold on. ``effective_dimension`` is the participation ratio of the covariance
    of the posteriors' centres, none where they are all the same. Errors of both are those of a bootstrap of sequences.

    The time grows with the square of the sequences and with their dimensions.

    Args:
        batch: Sequences of a batch; half of all if there are fewer than two batches.
        draws: Codes drawn from each posterior.
        threshold: Variance of the means from which a unit is active.
        resamples: Of the bootstrap.

    Source: He et al., Lagging Inference Networks and Posterior Collapse, 2019, for the estimate of batches; Burda,
    Grosse and Salakhutdinov, Importance Weighted Autoencoders, 2016, for active units.
    """

    def __init__(
        self,
        batch: AtLeastTwo = 32,
        draws: PositiveInt = 1,
        threshold: PositiveFloat = 0.01,
        resamples: AtLeastTwo = 200,
    ) -> None:
        """Keep the settings."""
        self.batch, self.draws, self.threshold, self.resamples = batch, draws, threshold, resamples

    def unfit(self, subject: Subject) -> str:
        """Codes of one a step have no aggregate, and one batch no spread."""
        if not subject.model.whole_codes:
            return "codes of one a step have no aggregate over sequences"
        return "" if len(subject.held_out) >= FEWEST else f"fewer than {FEWEST} sequences are held out"

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Return the numbers, in nats."""
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(subject.seed)
            batches = counted(subject.held_out.batches(BATCH), advance)
            posteriors, prior = aggregate_of(subject.model, batches), subject.model.unit_prior()
            terms = surgery(posteriors, prior, self.draws)
            return {
                "sequences": len(subject.held_out),
                "information_per_batch": self._per_batch(posteriors),
                "information": capped(average(terms["information"]), len(subject.held_out)),
                **{name: average(terms[name]) if name in terms else NO_NUMBER for name in TERMS},
                **self._dimensions(posteriors, prior),
            }

    def _per_batch(self, posteriors: CodeDistribution) -> Result:
        rows = len(posteriors.centre)
        size = min(self.batch, rows // 2)
        chosen = torch.randperm(rows)[: rows // size * size].view(-1, size)
        means = [
            information_of_each(posteriors.with_parameters(*(part[each] for part in posteriors.parameters)), self.draws)
            for each in chosen
        ]
        return {**capped(average(torch.stack(means).mean(dim=1)), size), "batch": size, "batches": len(chosen)}

    def _dimensions(self, posteriors: CodeDistribution, prior: CodeDistribution) -> Result:
        centres = posteriors.centre.double()
        ratio = participation_ratio(centres)
        return {
            "active_units": {
                "value": active_units(posteriors, self.threshold),
                "standard_error": bootstrap_error(self._active, (centres,), self.resamples),
            },
            "latent_dim": centres.shape[1],
            "effective_dimension": {
                "value": ratio,
                "standard_error": bootstrap_error(participation_ratio, (centres,), self.resamples),
            }
            if math.isfinite(ratio)
            else NO_NUMBER,
            "dimensions": _by_kl(posteriors, prior),
            "sorted_variances_of_means": sorted(variances_of_means(posteriors), reverse=True),
        }

    def _active(self, centres: Tensor) -> float:
        return float((centres.var(dim=0) >= self.threshold).sum())

    def lines(self, result: Result) -> Sequence[Line]:
        """Lay out the numbers for a person."""
        per_batch, units = result["information_per_batch"], result["latent_dim"]
        shown = result["dimensions"][:SHOWN]
        return [
            _capped_line(f"information, {per_batch['batches']} batches of {per_batch['batch']}", per_batch),
            _capped_line("information, full set", result["information"]),
            *(line(name, result[key]) for key, name in TERMS.items()),
            line(f"active units ({self.threshold:g}) of {units}", result["active_units"], digits=0),
            line(f"effective dimension of {units}, participation ratio", result["effective_dimension"], digits=2),
            *map(_dimension_line, shown),
        ]


def capped(estimate: Estimate, count: int) -> Result:
    """An estimate of information beside the most that so many sequences can show."""
    value, cap = estimate["value"] or 0.0, math.log(count)
    return {**estimate, "cap": cap, "share_of_cap": value / cap}


def _capped_line(name: str, number: Result) -> Line:
    return line(name, number, f", {number['share_of_cap']:.0%} of the cap {number['cap']:.2f}")


def _dimension_line(dimension: Result) -> Line:
    """Only the index is in the name, by which a report finds the same dimension of another run."""
    variance = f"variance of means {dimension['variance_of_means']['value']:.3f}"
    return line(f"KL of dimension {dimension['index']}", dimension["kl"], f"; {variance}")


def _by_kl(posteriors: CodeDistribution, prior: CodeDistribution) -> list[Result]:
    """Every dimension, the largest KL first, or the largest variance where dimensions have no KL."""
    rows, exact = [], isinstance(posteriors, DiagonalGaussian) and isinstance(prior, DiagonalGaussian)
    kl = kl_per_dimension(posteriors, prior) if exact else torch.empty(0, 0)  # type: ignore[arg-type]
    for index, centres in enumerate(posteriors.centre.double().T):
        rows.append(
            {
                "index": index,
                "kl": average(kl[:, index]) if exact else NO_NUMBER,
                "variance_of_means": variance(centres),
            }
        )
    return sorted(rows, key=lambda row: -_first_number(row["kl"], row["variance_of_means"]))


def _first_number(*estimates: Estimate) -> float:
    return next(each["value"] for each in estimates if each["value"] is not None)
