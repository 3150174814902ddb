"""Whether the factors that made a sentence are found again, each in a dimension of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy.typing import NDArray
from torch import Tensor

from latentia.data import Grammar, Selection
from latentia.data.grammar import FACTORS
from latentia.distributions import DiagonalGaussian, HypersphericalUniform, SharedNoiseGaussian, concatenated, units_of
from latentia.errors import InputError
from latentia.evaluation.estimates import NO_NUMBER, Estimate, average
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.subject import ROWS_AT_A_TIME, Advance, Subject
from latentia.functional.factors import (
    completeness,
    disentanglement,
    information_gaps,
    pointwise_information,
)
from latentia.shapes import AtLeastTwo, PositiveInt

LOOKED_AT = 200
"""Held-out texts that are looked at to tell whether they are of the grammar."""

LEAF = 5
"""Fewest examples in a leaf of a tree; smaller ones would find importance in noise."""

Codes = NDArray[np.float64]
Levels = NDArray[np.int64]


class FactorRecovery(Measure):
    r"""Recovery of the four factors of the built-in grammar: its topic, sentiment, tense and number.

    The factors are read off the held-out sentences; those that the grammar cannot make are left out and counted.

    ``information_gap`` is the mutual information gap, see :func:`latentia.functional.factors.information_gaps`: one
    draw from each posterior, whose information is read from mixtures of all posteriors of a level, not from binned
    means. Such an estimate is too high where posteriors are narrow; ``of_shuffled_factors`` is what it gives when the
    factors belong to other sentences. Its error is that of a bootstrap over sentences, the mixtures taken as given.

    ``disentanglement`` and ``completeness``, see :mod:`latentia.functional.factors`, are of the importance of the
    posteriors' means, the decrease in impurity, to random forests that predict one factor each. ``informativeness`` is
    the share of factors predicted right, each sentence by forests that did not see its part of the data;
    ``majority`` is what predicting the most frequent levels would give. Errors of the first two are jackknifed over
    these parts.

    Args:
        sentences: Most held-out sentences to take. The cost grows with their square: with a thousand some ten seconds.
        trees: Of each forest.
        parts: Of the sentences, each left out in turn.
        resamples: Of the bootstrap.

    Source: Chen et al., Isolating Sources of Disentanglement in Variational Autoencoders, 2018, section 4; Eastwood and
    Williams, A Framework for the Quantitative Evaluation of Disentangled Representations, 2018, section 2.
    """

    def __init__(
        self,
        sentences: PositiveInt = 1000,
        trees: PositiveInt = 30,
        parts: AtLeastTwo = 5,
        resamples: AtLeastTwo = 200,
    ) -> None:
        """Take the sizes."""
        self.sentences, self.trees, self.parts, self.resamples = sentences, trees, parts, resamples

    @torch.no_grad()
    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Read off the factors, and measure the posteriors of their sentences."""
        chosen = self._chosen(subject)
        rows, factors = _factors(chosen)
        posterior = _posteriors(subject, rows)
        with torch.random.fork_rng():
            torch.manual_seed(subject.seed)
            gaps = information_gap(posterior, factors, self.resamples)
        advance(1)
        forests = dependence(posterior.mean, factors, self.trees, self.parts, subject.seed)
        advance(1)
        return {"sentences": len(rows), "left_out": len(chosen) - len(rows), **gaps, **forests}

    def lines(self, result: Result) -> Sequence[Line]:
        """Lay out one line a number."""
        gap, read = result["information_gap"], result["informativeness"]
        shuffled, of = result["of_shuffled_factors"]["value"], f"{len(FACTORS)} factors, {result['sentences']:,} texts"
        return [
            line(f"mutual information gap, {of}", gap, f"; of shuffled factors {shuffled:.3f}"),
            *(
                line(f"{name}, random forests", result[name], absent="nothing is predicted")
                for name in ("disentanglement", "completeness")
            ),
            line("factors read off the code, share", read, f"; majority {result['majority']['value']:.3f}"),
        ]

    def work(self, subject: Subject) -> int:
        """Count the two estimates."""
        return 2

    def unfit(self, subject: Subject) -> str:
        """Say that the texts are not of the grammar, or the codes have no dimensions of their own."""
        if not subject.model.whole_codes:
            return "codes of one a token are not compared between sentences"
        if isinstance(subject.model.unit_prior(), HypersphericalUniform) or subject.model.latent_dim < 2:
            return "the code has no two dimensions that are independent under the prior"
        looked_at = self._chosen(subject).first(LOOKED_AT)
        rows, factors = _factors(looked_at)
        if len(rows) < len(looked_at):
            return "the held-out texts are not sentences of the built-in grammar"
        return "" if _vary(factors) and len(rows) >= self.parts else "too few sentences: a factor does not vary"

    def _chosen(self, subject: Subject) -> Selection:
        return subject.held_out.shuffled(subject.seed).first(self.sentences)


@torch.no_grad()
def information_gap(posterior: DiagonalGaussian, factors: Int[Tensor, "N F"], resamples: int) -> Result:
    """Return the mutual information gap and what it is of shuffled factors, from one draw of each posterior."""
    codes = posterior.sample()
    shuffled = factors[torch.randperm(len(factors))]
    return {
        name: _bootstrapped_gap(
            pointwise_information(codes, posterior.mean, posterior.log_variance, levels), _surprise(levels), resamples
        )
        for name, levels in (("information_gap", factors), ("of_shuffled_factors", shuffled))
    }


def dependence(codes: Float[Tensor, "N D"], factors: Int[Tensor, "N F"], trees: int, parts: int, seed: int) -> Result:
    """Return disentanglement, completeness and informativeness by random forests, one a factor."""
    values, levels = codes.double().numpy(), factors.numpy()
    part = np.arange(len(values)) % parts
    importance, right = [_importance(_forests(values, levels, trees, seed))], np.zeros(levels.shape)
    for left_out in range(parts):
        forests = _forests(values[part != left_out], levels[part != left_out], trees, seed)
        importance.append(_importance(forests))
        for column, forest in enumerate(forests):
            predicted = forest.predict(values[part == left_out])
            right[part == left_out, column] = predicted == levels[part == left_out, column]
    frequent = factors == factors.mode(dim=0).values
    return {
        "disentanglement": _jackknifed(torch.stack([disentanglement(each) for each in importance])),
        "completeness": _jackknifed(torch.stack([completeness(each).mean() for each in importance])),
        "informativeness": average(torch.from_numpy(right).mean(dim=1)),
        "majority": average(frequent.double().mean(dim=1)),
    }


def _factors(chosen: Selection) -> tuple[Selection, Int[Tensor, "N F"]]:
    """Rows whose text is a sentence of the grammar, and the level of each factor there, counted from 0."""
    grammar, rows, factors = Grammar(), [], []
    levels = {name: list(values) for name, values in grammar.levels.items()}
    for row, text in zip(chosen.rows, chosen.texts(), strict=True):
        try:
            read = grammar.factors(text)
        except InputError:
            continue
        rows.append(row)
        factors.append([levels[name].index(read[name]) for name in FACTORS])
    found = Selection(chosen.corpus, np.array(rows, dtype=np.int64))
    return found, torch.tensor(factors, dtype=torch.int64).view(-1, len(FACTORS))


def _vary(factors: Int[Tensor, "N F"]) -> bool:
    return bool((factors != factors[:1]).any(dim=0).all())


def _posteriors(subject: Subject, rows: Selection) -> DiagonalGaussian:
    """Independent dimensions of the posterior of each row."""
    parts = np.array_split(rows.rows, -(-len(rows) // ROWS_AT_A_TIME))
    posterior = concatenated([units_of(subject.model.infer(rows.corpus.batch(part))) for part in parts])
    # What else there is has codes of one a step, or on a sphere: the measure does not fit it.
    return posterior.marginals if isinstance(posterior, SharedNoiseGaussian) else cast(DiagonalGaussian, posterior)


def _surprise(factors: Int[Tensor, "N F"]) -> Float64[Tensor, "N F"]:
    """Negative logarithm of the share of each example's level, whose mean is the entropy of the factor."""
    columns = [column.bincount()[column].double() / len(column) for column in factors.T]
    return -torch.stack(columns, dim=1).log()


def _bootstrapped_gap(
    information: Float64[Tensor, "N D F"], surprise: Float64[Tensor, "N F"], resamples: int
) -> Result:
    """Return the gap with its error, and of each factor its gap and what the best dimension knows of it, in nats."""
    count = len(information)
    counts = torch.multinomial(torch.ones(count), resamples * count, replacement=True).view(resamples, count)
    weights = torch.zeros(resamples + 1, count, dtype=torch.float64)
    weights[0] = 1 / count
    weights[1:].scatter_add_(1, counts, torch.full(counts.shape, 1 / count, dtype=torch.float64))
    known = torch.einsum("rn,ndf->rdf", weights, information)
    gaps = information_gaps(known, weights @ surprise)
    return {
        **_first(gaps.mean(dim=1)),
        "by_factor": {name: _first(gaps[:, place]) for place, name in enumerate(FACTORS)},
        "information": {name: _first(known.amax(dim=1)[:, place]) for place, name in enumerate(FACTORS)},
    }


def _first(values: Float64[Tensor, " N"]) -> Estimate:
    """A statistic and its error, from its value and those of resamples after it."""
    return {"value": values[0].item(), "standard_error": values[1:].std().item()}


def _jackknifed(values: Float64[Tensor, " N"]) -> Estimate:
    """A statistic and its error, from its value and those without each part after it; none where it has no value."""
    if not bool(values.isfinite().all()):
        return NO_NUMBER
    without = values[1:]
    return {
        "value": values[0].item(),
        "standard_error": ((len(without) - 1) * without.var(unbiased=False)).sqrt().item(),
    }


def _forests(codes: Codes, levels: Levels, trees: int, seed: int) -> list[Any]:
    """One forest a factor; all dimensions compete for each split, so that noise does not win where it is alone."""
    from sklearn.ensemble import RandomForestClassifier

    forest = partial(RandomForestClassifier, trees, min_samples_leaf=LEAF, max_features=None, random_state=seed)
    return [forest().fit(codes, column) for column in levels.T]


def _importance(forests: Sequence[Any]) -> Float64[Tensor, "D F"]:
    return torch.stack([torch.from_numpy(forest.feature_importances_) for forest in forests], dim=1)
