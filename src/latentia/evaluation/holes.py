"""Whether the prior has mass where the codes of texts have none, and what is written there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from latentia.decoding import Greedy
from latentia.distributions import CodeDistribution, DiagonalGaussian
from latentia.evaluation.aggregate import aggregate_of, single_dimensions
from latentia.evaluation.estimates import average
from latentia.evaluation.measure import Line, Measure, Result, counted, line
from latentia.evaluation.ngram import KneserNey
from latentia.evaluation.subject import Advance, Subject
from latentia.evaluation.two_sample import classifier_two_sample_test, distance_to_nearest
from latentia.functional.resampling import bootstrap_error, share_beyond
from latentia.shapes import AtLeastTwo, InnerShare, NonNegativeInt, PositiveInt

BATCH = 64
FAR = 0.99
"""Quantile of the reference beyond which a code is far from all posteriors, or the aggregate thin."""

FEWEST = 8
"""Sequences that leave a classifier some codes of each kind to learn from."""


@dataclass(frozen=True)
class _Draws:
    """Codes of the prior, and one of each of as many posteriors of different sequences; both leave the same rows out.

    Attributes:
        posteriors: Of all sequences held out.
        own: The row that each code of the aggregate was drawn from.
        aggregate: The codes.
        prior: As many codes of the prior.
    """

    posteriors: CodeDistribution
    own: Int[Tensor, " P"]
    aggregate: Float[Tensor, "P D"]
    prior: Float[Tensor, "P D"]


class Holes(Measure):
    r"""Four looks for holes: regions that the prior reaches and the aggregate posterior ``q(z)`` does not.

    Each compares codes of the prior with codes of the aggregate, one of each of different held-out sequences, whose own
    posterior is left out of what they are compared with (and one at random for a code of the prior): a code lies near
    its own posterior in any space.

    - ``two_sample``: how well a classifier tells the two apart, see
      :func:`~latentia.evaluation.two_sample.classifier_two_sample_test`; 0.5 is not at all.
    - ``nearest_posterior``: Euclidean distance to the nearest centre. Where posteriors have Gaussian dimensions these
      are scaled by the root of the average variance of the posteriors, for that is how finely the decoder was
      taught to tell codes apart; on a sphere the distance is the chord.
    - ``thin``: share of the prior's codes whose ``log q(z)`` is below its 1 % quantile over codes of the aggregate.
    - ``text``: share of the prior's codes that decode, greedily, to text of more nats a token than the ``quantile`` of
      greedy decodings of codes of the aggregate has, under an n-gram model of the training text: a decoder that writes
      badly everywhere has no holes for it. Beside it the same against held-out text itself. The worst texts are kept.

    A share comes with what is expected without holes, and the bootstrap error of both samples, the quantile being
    estimated too. Expected is one less the quantile, or one in ``N + 1`` where so few codes of the aggregate do not
    reach that quantile: the share is then of what lies beyond all of them. Where the two samples share one text the
    share is below what is expected.

    Args:
        draws: Codes of the prior and of the aggregate, at most the sequences held out.
        decoded: Codes of the prior, and of the aggregate, to decode, at most ``draws``.
        quantile: Of the reference, beyond which text is bad.
        order: Longest n-gram of the language model.
        kept: Worst texts to keep.

    Source: Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, 2017; Rezende and Viola, Taming VAEs, 2018,
    section 4, for holes.
    """

    def __init__(
        self,
        draws: AtLeastTwo = 2000,
        decoded: AtLeastTwo = 500,
        quantile: InnerShare = 0.95,
        order: PositiveInt = 3,
        kept: NonNegativeInt = 5,
    ) -> None:
        """Keep the settings."""
        self.draws, self.decoded, self.quantile, self.order, self.kept = draws, decoded, quantile, order, kept

    def unfit(self, subject: Subject) -> str:
        """Codes of one a step have no aggregate, and a classifier needs codes to learn from."""
        if not subject.model.whole_codes:
            return "codes of one a step have no aggregate over sequences"
        return "" if len(subject.held_out) >= FEWEST else f"fewer than {FEWEST} sequences are held out"

    def work(self, subject: Subject) -> int:
        """Sequences to encode and codes to decode."""
        return len(subject.held_out) + 2 * min(self.decoded, self.draws, len(subject.held_out))

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Return the numbers."""
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(subject.seed)
            drawn = self._drawn(subject, advance)
            return {
                "draws": len(drawn.own),
                "two_sample": classifier_two_sample_test(drawn.prior, drawn.aggregate, subject.seed),
                "nearest_posterior": _nearest(drawn),
                "thin": _thin(drawn),
                "text": self._text(subject, drawn, advance),
            }

    def _drawn(self, subject: Subject, advance: Advance) -> _Draws:
        posteriors = aggregate_of(subject.model, counted(subject.held_out.batches(BATCH), advance))
        own = torch.randperm(len(subject.held_out))[: self.draws]
        rows = posteriors.with_parameters(*(part[own] for part in posteriors.parameters))
        # The codes of the prior come after, from noise of their own: the same noise would tie the two samples.
        aggregate = rows.sample()
        return _Draws(posteriors, own, aggregate, subject.model.unit_prior().sample(torch.Size([len(own)])))

    def _text(self, subject: Subject, drawn: _Draws, advance: Advance) -> Result:
        codes = drawn.prior[: self.decoded]
        chosen = subject.held_out.shuffled(subject.seed).first(len(codes))
        model = KneserNey(subject.training.tokens(), subject.tokenizer.vocabulary_size, self.order)
        written = subject.written(codes, Greedy(), advance)
        prior = _nats_a_token(model, written)
        aggregate = _nats_a_token(model, subject.written(drawn.aggregate[: self.decoded], Greedy(), advance))
        held_out = _nats_a_token(model, list(chosen.tokens()))
        worst = prior.argsort(descending=True, stable=True)[: self.kept].tolist()
        texts = subject.texts([written[place] for place in worst])
        return {
            "decoded": len(codes),
            "decoding": "greedy",
            "cut_off": sum(len(ids) == subject.max_tokens for ids in written),
            "language_model": {"order": self.order, "trained_on": model.tokens},
            "nats_a_token": {
                "prior": average(prior),
                "aggregate": average(aggregate),
                "held_out": average(held_out),
            },
            "bad": _beyond(prior, aggregate, self.quantile),
            "bad_against_held_out_text": _beyond(prior, held_out, self.quantile),
            "worst": [
                {"text": text, "nats_a_token": prior[place].item(), "code": codes[place].tolist()}
                for text, place in zip(texts, worst, strict=True)
            ],
        }

    def lines(self, result: Result) -> Sequence[Line]:
        """Lay out the numbers for a person."""
        test, nearest, text = result["two_sample"], result["nearest_posterior"], result["text"]
        share, over = f"{self.quantile:.0%} quantile", f" over {test['tested_on']:,}, p = {test['p_value']:.2g}"
        return [
            line(f"accuracy, prior or aggregate: {test['classifier']}", test["accuracy"], over),
            *(
                line(f"median distance of {kind} to the nearest posterior, {nearest['unit']}", nearest[kind]["median"])
                for kind in ("prior", "aggregate")
            ),
            _share_line(f"prior farther from all posteriors than {FAR:.0%} of the aggregate", nearest["farther"]),
            _share_line(f"prior where log q(z) is below {1 - FAR:.0%} of the aggregate", result["thin"]),
            _share_line(f"prior decodes to worse than the {share} of the aggregate", text["bad"]),
            _share_line(f"prior decodes to worse than the {share} of real text", text["bad_against_held_out_text"]),
        ]


def _nearest(drawn: _Draws) -> Result:
    single, centres = single_dimensions(drawn.posteriors), drawn.posteriors.centre
    scaled = isinstance(single, DiagonalGaussian)
    scale = single.variance.mean(dim=0).sqrt() if scaled else torch.ones_like(centres[0])
    prior, aggregate = (
        distance_to_nearest(codes / scale, centres / scale, drawn.own) for codes in (drawn.prior, drawn.aggregate)
    )
    return {
        "unit": "posterior standard deviations" if scaled else "chord",
        "prior": _centre_of(prior),
        "aggregate": _centre_of(aggregate),
        "farther": _beyond(prior, aggregate, FAR),
    }


def _thin(drawn: _Draws) -> Result:
    prior, aggregate = (
        -drawn.posteriors.mixture_of_others_log_prob(codes, drawn.own) for codes in (drawn.prior, drawn.aggregate)
    )
    return _beyond(prior, aggregate, FAR)


def _centre_of(values: Tensor) -> Result:
    return {
        "mean": average(values),
        "median": {"value": _median(values), "standard_error": bootstrap_error(_median, (values,))},
    }


def _median(values: Tensor) -> float:
    return values.double().quantile(0.5).item()


def _beyond(values: Tensor, reference: Tensor, quantile: float) -> Result:
    """Share of values above a quantile of the reference, beside what it would be of the reference's own kind."""
    share, limit = share_beyond(values, reference, quantile)
    error = bootstrap_error(lambda ours, theirs: share_beyond(ours, theirs, quantile)[0], (values, reference))
    expected = max(1 - quantile, 1 / (len(reference) + 1))
    return {
        "value": share,
        "standard_error": error,
        "expected": expected,
        "excess": share - expected,
        "limit": limit,
    }


def _nats_a_token(model: KneserNey, sequences: Sequence[Sequence[int]]) -> Tensor:
    nats, tokens = model.negative_log_likelihood(sequences)
    return torch.from_numpy(np.asarray(nats / tokens))


def _share_line(name: str, share: Result) -> Line:
    return line(name, share, f", {share['expected']:.2f} without holes")
