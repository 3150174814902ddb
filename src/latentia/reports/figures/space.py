"""Figures of the codes."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import torch

from latentia.distributions import DiagonalGaussian, kl_per_dimension
from latentia.functional.plane import levels_of_mass
from latentia.reports.chart import Bars, Chart, Contours, Line, Mark, Panel, Points
from latentia.reports.gather import NotMeasuredError, RunView
from latentia.reports.palette import BLUE, GREEN, GREY, INK, ORANGE, VERMILION
from latentia.reports.planes import CELLS, Plane, gaussian_rows

SHOWN = 600
"""Sequences shown as points."""
SHARES = (0.5, 0.9, 0.99)


def dimensions(runs: Sequence[RunView]) -> Chart:
    """KL, variance of means, mean variance and gap of each dimension."""
    (run,) = runs
    posteriors, prior = run.encoded.posteriors, run.prior
    if len(posteriors.centre) < 2:
        problem = f"{run.name} has one posterior of validation data, and no variance of one"
        raise NotMeasuredError(problem, "train it with at least two validation sequences, as with --valid")
    variances = posteriors.centre.double().var(dim=0)
    order = variances.argsort(descending=True)
    places = list(range(1, len(order) + 1))
    panels = []
    if isinstance(posteriors, DiagonalGaussian) and isinstance(prior, DiagonalGaussian):
        rates = kl_per_dimension(posteriors, prior).mean(dim=0).double()
        order = rates.argsort(descending=True)
        panels.append(Panel("dimension, by KL", "mean KL, nats", [Bars("KL", places, rates[order].tolist(), BLUE)]))
    spread: list[Mark] = [Bars("variance of the posterior means", places, variances[order].tolist(), GREEN)]
    lines: list[Mark] = [
        Line("active from here (0.01)", (0.5, len(places) + 0.5), (0.01, 0.01), INK, faint=True, dashed=True)
    ]
    if gaussian_rows(posteriors):
        inner = posteriors.variance.double().expand_as(posteriors.mean).mean(dim=0)[order]
        lines.append(Line("mean of the posterior variances", places, inner.tolist(), VERMILION, dots=True))
    over = "sequences" if run.model.whole_codes else "steps"
    label = "dimension, in the same order" if panels else "dimension, by variance"
    panels.append(Panel(label, f"variance over {over}", [*spread, *lines]))
    if gap := _gap(run, order):
        panels.append(gap)
    return Chart(
        "Dimensions of the code",
        panels,
        f"{len(variances)} dimensions over {len(posteriors.centre):,} posteriors of validation {over}. A dimension "
        "whose means do not vary carries nothing; one whose means vary and whose posterior variance is near that of "
        "the prior carries little. Under a standard normal prior the two variances add up to 1 where the aggregate "
        "fits.",
    )


def _gap(run: RunView, order: torch.Tensor) -> Panel | None:
    """The gap of each dimension, which the evaluation has integrated, in the order of the other panels."""
    gaps = run.evaluation.get("marginal_gap_per_dimension") or []
    if len(gaps) != len(order):
        return None
    places = list(range(1, len(gaps) + 1))
    marks: list[Mark] = [
        Bars("gap", places, [gaps[each] for each in order.tolist()], ORANGE),
        Line("continuous below (0.03)", (0.5, len(places) + 0.5), (0.03, 0.03), INK, faint=True, dashed=True),
    ]
    return Panel("dimension, in the same order", "KL(p(zᵢ) ‖ q(zᵢ)), nats", marks)


def aggregate(runs: Sequence[RunView]) -> Chart:
    """The aggregate posterior against the prior in two planes, with holes."""
    (run,) = runs
    if not run.model.whole_codes:
        raise NotMeasuredError(
            f"{run.name} has codes of one a step: sequences of different length have no aggregate posterior",
            "see the figure `dimensions`, which is over single steps",
        )
    if run.model.latent_dim < 2:
        raise NotMeasuredError(f"{run.name} has codes of one dimension, and so no plane", "see the figure `dimensions`")
    if not gaussian_rows(run.encoded.posteriors):
        return _sphere(run)
    return Chart("Aggregate posterior and prior", [_panel(run, plane) for plane in run.planes], _what_is_seen(run))


def _what_is_seen(run: RunView) -> str:
    seen = "; ".join(f"{_empty_mass(plane):.1%} in the plane {plane.title}" for plane in run.planes)
    gap = run.evaluation.get("joint_gap")
    whole = f" The gap of the whole space, KL(p ‖ q), is {gap:.1f} nats." if gap is not None else ""
    return (
        "Codes in standard deviations of the prior. Filled: regions that hold 50, 90 and 99 % of the aggregate "
        f"posterior of {len(run.encoded.rows):,} validation sequences; lines: the same of the prior; both exact but "
        f"for a blur of half a cell. Points: {min(SHOWN, len(run.encoded.rows)):,} posterior means. Prior mass where "
        f"the aggregate has less than a tenth of the prior's density: {seen}. Numbered: where the prior exceeds the "
        "aggregate most there. Most planes through many dimensions look Gaussian whatever the cloud, so holes may be "
        f"there that neither plane shows.{whole} Source: Diaconis and Freedman, Asymptotics of Graphical Projection "
        "Pursuit, 1984."
    )


def _empty_mass(plane: Plane) -> float:
    return float(plane.picture.mass[plane.picture.empty].sum())


def _panel(run: RunView, plane: Plane) -> Panel:
    picture = plane.picture
    shown = slice(None, None, math.ceil(len(picture.centres) / SHOWN))
    texts = [wrapped(run.validation.corpus.text(row)) for row in run.encoded.rows[shown].tolist()]
    x, y = picture.centres[shown].T.tolist()
    holes = Points(
        "hole",
        [hole.x for hole in plane.holes],
        [hole.y for hole in plane.holes],
        VERMILION,
        hover=[f"hole {hole.number}: {hole.mass:.1%} of the prior's mass" for hole in plane.holes],
        labels=[str(hole.number) for hole in plane.holes],
        size=9,
    )
    return Panel(
        plane.labels[0],
        plane.labels[1],
        [
            _contours("aggregate posterior", picture.axis, picture.aggregate, BLUE, filled=True),
            Points("posterior means", x, y, GREY, hover=texts, size=2.5, opacity=0.6),
            _contours("prior", picture.axis, picture.prior, INK, filled=False),
            *([holes] if plane.holes else []),
        ],
        title=plane.title,
        square=True,
    )


def _contours(name: str, axis: torch.Tensor, log_density: torch.Tensor, shade: int, filled: bool) -> Contours:
    places, rows = axis.tolist(), log_density.view(CELLS, CELLS).tolist()
    return Contours(name, places, places, rows, levels_of_mass(log_density, SHARES), shade, filled)


def _sphere(run: RunView) -> Chart:
    """Directions on the sphere, seen from outside; the prior is even over the whole sphere."""
    directions = run.encoded.posteriors.centre.double()
    axes = torch.linalg.svd(directions - directions.mean(dim=0), full_matrices=False).Vh[:2]
    shown = slice(None, None, math.ceil(len(directions) / (2 * SHOWN)))
    x, y = (directions[shown] @ axes.T).T.tolist()
    texts = [wrapped(run.validation.corpus.text(row)) for row in run.encoded.rows[shown].tolist()]
    turn = torch.linspace(0, 2 * math.pi, 181)
    rim = Line("edge of the sphere", turn.cos().tolist(), turn.sin().tolist(), INK, faint=True)
    points = Points("mean directions", x, y, BLUE, hover=texts, size=4, opacity=0.6)
    size = directions.shape[1]
    return Chart(
        "Mean directions on the sphere",
        [Panel("first principal direction", "second", [rim, points], square=True)],
        f"Mean directions of validation sequences, projected onto the plane in which they vary most. Codes lie on the "
        f"sphere of {size} dimensions, where no density of a plane is exact. An even cover of the sphere would have a "
        f"standard deviation of {size**-0.5:.2f} in each direction of the plane; these have "
        f"{' and '.join(f'{each:.2f}' for each in (directions @ axes.T).std(dim=0).tolist())}.",
    )


def wrapped(text: str) -> str:
    """Break a text into lines that fit a box."""
    return "\n".join(textwrap.wrap(text, 60, max_lines=4, placeholder=" …"))
