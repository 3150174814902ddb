"""Figures of likelihoods and bounds, of one run or of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from latentia.reports.chart import Band, Chart, Line, Panel, Points
from latentia.reports.gather import NotMeasuredError, RunView
from latentia.reports.palette import BLUE, INK, VERMILION

DIAGRAMS = {"top1": "most probable token", "weighted": "all tokens, by probability", "eos": "end of the sequence"}
VARIANTS = {"as trained": "as trained", "temperature and EOS": "recalibrated"}


def rate_distortion(runs: Sequence[RunView]) -> Chart:
    """Rate and distortion of all runs, and how training led there."""
    marks: list[Line | Points] = []
    ends: list[tuple[float, float]] = []
    for colour, run in enumerate(runs):
        validation = [each for each in run.records("validation") if {"kl", "reconstruction"} <= each.keys()]
        rates, distortions = [each["kl"] for each in validation], [each["reconstruction"] for each in validation]
        marks.append(
            Line(
                "" if run.evaluation else f"{run.name}, while trained",
                rates,
                distortions,
                colour,
                faint=True,
                dots=True,
            )
        )
        if run.evaluation:
            ends.append((run.evaluation["kl"], run.evaluation["reconstruction"]))
            marks.append(_evaluated(run, colour))
        elif validation:
            ends.append((rates[-1], distortions[-1]))
    if not ends:
        raise NotMeasuredError("no run has an evaluation", f"run `{runs[0].to_evaluate}`")
    marks = [mark for mark in marks if len(mark.x)]
    lines = [_equal_bound(bound, marks) for bound in sorted({round(rate + distortion, 1) for rate, distortion in ends})]
    return Chart(
        "Rate and distortion",
        [Panel("rate: KL(q(z|x) ‖ p(z)), nats a sequence", "distortion: reconstruction, nats", [*lines, *marks])],
        "Large points: the evaluation. Small ones: the validation sequences while it was trained. Dashed lines have "
        "one negative ELBO, the sum of both: runs on one line are equal to the bound and may differ in how much they "
        "store in the code. Left is a collapsed model, low are good reconstructions. Rate is no information where "
        "the aggregate posterior leaves the prior. Source: Alemi et al., Fixing a Broken ELBO, 2018, section 3.",
    )


def _evaluated(run: RunView, colour: int) -> Points:
    result = run.evaluation
    told = (
        f"{run.name}\nrate {result['kl']:.2f}, distortion {result['reconstruction']:.2f}\n-ELBO {-result['elbo']:.2f}"
    )
    return Points(run.name, [result["kl"]], [result["reconstruction"]], colour, hover=[told], size=8)


def _equal_bound(bound: float, marks: Sequence[Line | Points]) -> Line:
    """A line of one negative ELBO, over the rates that are shown, within the distortions that are."""
    rates, distortions = ([value for mark in marks for value in getattr(mark, axis)] for axis in "xy")
    low, high = max(0.0, bound - max(distortions)), min(max(rates), bound - min(distortions))
    ends = (min(low, high), max(low, high))
    return Line(f"-ELBO {bound:.1f}", ends, [bound - rate for rate in ends], INK, faint=True, dashed=True)


def k_curve(runs: Sequence[RunView]) -> Chart:
    """The importance-weighted likelihood over its number of samples."""
    marks: list[Band | Line] = []
    for colour, run in enumerate(runs):
        points = [point for point in _curve(run) if point["value"] is not None]
        if not points:
            continue
        counts, values = [point["K"] for point in points], [point["value"] for point in points]
        errors = [point["standard_error"] for point in points]
        low, high = ([v + sign * e for v, e in zip(values, errors, strict=True)] for sign in (-1, 1))
        marks.append(Band("", counts, low, high, colour))
        marks.append(Line(run.name, counts, values, colour, dots=True))
    if not marks:
        raise NotMeasuredError("no run has an evaluation", f"run `{runs[0].to_evaluate}`")
    short = [run.name for run in runs if run.evaluation and "nll_iw_curve" not in run.evaluation]
    remark = f" Of {', '.join(short)} the two ends are known: K = 1 is the negative ELBO." if short else ""
    return Chart(
        "Likelihood over the number of samples",
        [Panel("samples, K", "nll_iw(K), nats a sequence", marks, x_scale="log")],
        "The importance-weighted bound falls towards the negative log-likelihood as K grows; where it still falls at "
        "its right end, the last value is not yet the likelihood. Bands: one standard error, of the choice of "
        "sentences, which all K share. Source: Burda et al., Importance Weighted Autoencoders, 2016, theorem "
        f"1.{remark}",
    )


def _curve(run: RunView) -> list[dict[str, Any]]:
    """The curve of an evaluation, or its two ends."""
    result = run.evaluation
    if not result:
        return []
    ends = [
        {"K": 1, "value": -result["elbo"], "standard_error": result["standard_errors"]["elbo"]},
        {name: result["nll_iw"][name] for name in ("K", "value", "standard_error")},
    ]
    curve: list[dict[str, Any]] = result.get("nll_iw_curve") or ends
    return curve


def calibration(runs: Sequence[RunView]) -> Chart:
    """How often predictions of some confidence come true, as trained and recalibrated."""
    (run,) = runs
    measured = run.evaluation.get("measures", {}).get("Calibration", {})
    remedy = f"run `{run.to_evaluate} --measure Calibration`"
    if reason := measured.get("not_measured"):
        raise NotMeasuredError(f"the calibration of {run.name} was not measured: {reason}", remedy)
    panels = [_reliability(title, kind, measured) for kind, title in DIAGRAMS.items()]
    shown = [panel for panel in panels if len(panel.marks) > 1]
    if not shown:
        raise NotMeasuredError(f"{run.name} has no measured Calibration", remedy)
    return Chart(
        "Calibration",
        shown,
        "Of the predictions in each bin of about equal mass, the mean confidence and the share that came true: on the "
        "dashed line both agree, below it the model is too sure. Teacher forcing, codes at the posterior centres; "
        "recalibrated by one temperature and a bias of the end of the sequence, fitted on other sequences. "
        "Source: Guo et al., On Calibration of Modern Neural Networks, 2017, section 2.",
    )


def _reliability(title: str, kind: str, measured: dict[str, Any]) -> Panel:
    """Accuracy over confidence, a line for the model as it is and one for it recalibrated."""
    agreed = Line("both agree", (0, 1), (0, 1), INK, faint=True, dashed=True)
    lines = []
    for (variant, name), colour in zip(VARIANTS.items(), (BLUE, VERMILION), strict=True):
        bins = measured.get(variant, {}).get("diagrams", {}).get(kind, [])
        confidence, accuracy = ([each[axis] for each in bins] for axis in ("confidence", "accuracy"))
        lines += [Line(name, confidence, accuracy, colour, dots=True)] if bins else []
    return Panel("confidence", "accuracy", [agreed, *lines], title=title, square=True)
