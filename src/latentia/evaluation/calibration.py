"""Calibration of the decoder's token probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from latentia.data import Selection
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.reliability import Reliability
from latentia.evaluation.subject import Advance, Subject
from latentia.functional.calibration import Fit, Sweep, derivatives, fit, recalibrated
from latentia.records import Batch
from latentia.shapes import EOS, AtLeastTwo, PositiveInt

LOG_PROBABILITIES_AT_A_TIME = 2**23
"""Held at once: 32 MB in float32."""

VARIANTS = ("as trained", "temperature", "temperature and EOS")
SHOWN = {
    "nll_a_token": "NLL a token, nats",
    "top1_ece": "top-1 ECE",
    "weighted_ece": "weighted ECE",
    "eos_ece": "ECE of p(EOS)",
    "expected_eos": "EOS expected for each that came",
    "top1_ece_without_eos": "top-1 ECE without EOS",
}

Prediction = tuple[Float[Tensor, "T V"], Int[Tensor, " T"]]
"""Log-probabilities of all tokens at each step of a sequence, and the tokens that came."""


class Calibration(Measure):
    r"""Whether tokens come as often as the decoder says, before and after recalibration.

    What is measured is :math:`p(x_t \mid x_{<t}, z)` under teacher forcing, with ``z`` the centre of :math:`q(z|x)`.
    That code has seen ``x_t``: it is the calibration of reconstructions, of what decodes when texts are encoded, and
    not of predictions from the prior. Padding never counts.

    - Top-1 error: the most probable token of each step. Weighted error: all tokens, each with its probability as mass.
      Bins hold about equal mass; ``_equal_width`` has bins of equal width.
    - EOS apart: ``eos_ece`` is the error of :math:`p(\mathrm{EOS})` over all steps, in bins that expect equally many
      EOS; ``expected_eos`` the sum of these probabilities for each EOS that came, 1 if calibrated; ``_without_eos`` the
      errors of the other tokens given that EOS does not come.
    - Recalibration: one temperature of all tokens, and a temperature with a bias of EOS, both fitted by the likelihood
      of validation sequences. If these are among the held-out ones, one half of the latter is fitted and the other half
      measured. ``change`` is an error after less the same before, on the same sequences.

    A calibrated model has errors above zero too, by chance, the more the fewer the sequences: compare models on the
    same ones. Standard errors are bootstrapped over sequences, whose tokens depend on each other, and bins stay; they
    do not tell that bias. The defaults take a minute or two with twenty tokens a sequence of 10,000 words.

    Args:
        bins: Of each diagram.
        sequences: Held-out sequences to measure, at most.
        fitted: Validation sequences to fit, at most; each of about ten passes reads them all.
        resamples: Of the bootstrap.

    Source: Kumar and Sarawagi, Calibration of Encoder Decoder Models for Neural Machine Translation, 2019, whose
    recalibration has inputs from attention in addition; Guo et al., On Calibration of Modern Neural Networks, 2017.
    """

    def __init__(
        self,
        bins: PositiveInt = 20,
        sequences: PositiveInt = 500,
        fitted: PositiveInt = 300,
        resamples: AtLeastTwo = 100,
    ) -> None:
        """Take the settings."""
        self.bins, self.sequences, self.fitted, self.resamples = bins, sequences, fitted, resamples

    def unfit(self, subject: Subject) -> str:
        """Say so where a standard error would need more sequences."""
        return "" if min(map(len, self._split(subject))) > 1 else "fewer than two sequences to fit or to measure"

    def work(self, subject: Subject) -> int:
        """Sequences, those fitted and those measured."""
        return sum(map(len, self._split(subject)))

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Fit, and measure the decoder as trained and recalibrated, in one pass."""
        to_fit, measured = self._split(subject)
        temperature = _fitted(subject, to_fit, torch.ones(1, dtype=torch.float64))
        with_eos = _fitted(subject, to_fit, torch.cat([temperature.weights, torch.zeros(1, dtype=torch.float64)]))
        advance(len(to_fit))
        as_trained = torch.ones(1, dtype=torch.float64)
        variants = dict(zip(VARIANTS, (as_trained, temperature.weights, with_eos.weights), strict=True))
        found = self._reliability(subject, measured, variants, advance)
        before = found["as trained"]
        return {
            "code": "posterior centre, teacher forcing",
            "sequences": len(measured),
            "tokens": int(measured.corpus.lengths[measured.rows].sum()),
            "fitted_on": "half of the held-out sequences" if _shared(subject) else "validation",
            "fitted_sequences": len(to_fit),
            "standard_errors": f"bootstrap over sequences, {self.resamples} resamples",
            "fits": {"temperature": _described(temperature), "temperature and EOS": _described(with_eos)},
            **{name: each.summary() for name, each in found.items()},
            "change": {name: each.change_from(before) for name, each in found.items() if each is not before},
        }

    def lines(self, result: Result) -> Sequence[Line]:
        """One line a number, with what recalibration makes of it beside it."""
        note = f"; of {result['tokens']:,} tokens, codes at posterior centres; fitted on {result['fitted_on']}"
        fits = [
            line(f"{key.replace('_', ' ')}, {name}", number, note, digits=4)
            for name, numbers in result["fits"].items()
            for key, number in numbers.items()
            if key != "passes"
        ]
        as_trained, *recalibrated = VARIANTS
        after = {
            key: ", ".join(f"{result[name][key]['value']:.4f} with {name}" for name in recalibrated) for key in SHOWN
        }
        errors = [
            line(f"{words}, {as_trained}", result[as_trained][key], f"; {after[key]}", digits=4)
            for key, words in SHOWN.items()
        ]
        return fits + errors

    def _split(self, subject: Subject) -> tuple[Selection, Selection]:
        """Sequences to fit and to measure, which never overlap; in a random order, as files may be sorted."""
        held_out, validation = subject.held_out.shuffled(subject.seed), subject.validation.shuffled(subject.seed)
        if _shared(subject):
            half = len(held_out) // 2
            validation, held_out = held_out.first(half), Selection(held_out.corpus, held_out.rows[half:])
        return validation.first(self.fitted), held_out.first(self.sequences)

    def _reliability(
        self, subject: Subject, measured: Selection, variants: dict[str, Tensor], advance: Advance
    ) -> dict[str, Reliability]:
        """Measure each variant in the same pass, with the same resamples."""
        found = {name: Reliability(self.bins, self.resamples) for name in variants}
        generator = torch.Generator().manual_seed(subject.seed)
        for batch in predictions(subject, measured):
            resampled = torch.empty(len(batch), self.resamples, dtype=torch.float64).exponential_(generator=generator)
            for name, weights in variants.items():
                shown = ((recalibrated(p, weights.float(), EOS), x) for p, x in batch)
                found[name].add(shown, resampled)
            advance(len(batch))
        return found


@torch.no_grad()
def predictions(subject: Subject, chosen: Selection) -> Iterator[list[Prediction]]:
    """Yield what the decoder says of each sequence, a few sequences at a time."""
    for length in np.unique(chosen.corpus.lengths[chosen.rows]):
        rows = chosen.rows[chosen.corpus.lengths[chosen.rows] == length]
        size = max(1, LOG_PROBABILITIES_AT_A_TIME // (int(length) * subject.model.vocabulary_size))
        for start in range(0, len(rows), size):
            batch = chosen.corpus.batch(rows[start : start + size])
            stepped = _teacher_forced(subject, batch)
            yield list(zip(stepped, batch.tokens, strict=True))


def _teacher_forced(subject: Subject, batch: Batch) -> Float[Tensor, "B T V"]:
    """Log-probabilities of all tokens at each step, given those before it and the posterior's centre."""
    state, steps = subject.model.decoder.start(subject.model.centres(batch, subject.steps)), []
    for read in batch.decoder_inputs.unbind(1):
        log_probabilities, state = subject.model.decoder.advance(state, read)
        steps.append(log_probabilities)
    return torch.stack(steps, dim=1)


def _fitted(subject: Subject, chosen: Selection, start: Float[Tensor, " terms"]) -> Fit:
    return fit(sweeper(lambda: predictions(subject, chosen)), start)


def sweeper(read: Callable[[], Iterator[list[Prediction]]]) -> Callable[[Tensor], Sweep]:
    """Return the pass of a fit: it reads all predictions anew, and keeps sums alone."""

    def sweep(weights: Float[Tensor, " terms"]) -> Sweep:
        cost, terms = 0.0, len(weights)
        gradient, curvature = weights.new_zeros(terms), weights.new_zeros(terms, terms)
        scatter = curvature.clone()
        for batch in read():
            for log_probabilities, tokens in batch:
                costs, gradients, second = derivatives(log_probabilities, tokens, weights, EOS)
                whole = gradients.sum(dim=0)
                cost, gradient, curvature = cost + costs.sum().item(), gradient + whole, curvature + second.sum(dim=0)
                scatter = scatter + torch.outer(whole, whole)
        return Sweep(cost, gradient, curvature, scatter)

    return sweep


def _shared(subject: Subject) -> bool:
    """Whether sequences that are measured are among those that training was watched on."""
    held_out, validation = subject.held_out, subject.validation
    return held_out.corpus is validation.corpus and bool(np.isin(held_out.rows, validation.rows).any())


def _described(fitted: Fit) -> Result:
    """Temperature, with the error of an inverse, and the bias if it was fitted."""
    errors = fitted.covariance.diagonal().clamp(min=0).sqrt()
    inverse = fitted.weights[0].item()
    found = {"temperature": {"value": 1 / inverse, "standard_error": errors[0].item() / inverse**2}}
    if len(fitted.weights) > 1:
        found["eos_bias"] = {"value": fitted.weights[1].item(), "standard_error": errors[1].item()}
    return {**found, "passes": fitted.passes}
