"""Figures of the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from latentia.reports.chart import Chart, Line, Panel
from latentia.reports.gather import NotMeasuredError, RunView
from latentia.reports.palette import BLUE, GREY, VERMILION

KNOWN = {"negative_elbo", "reconstruction", "kl", "loss"}
OTHER = {"split", "step", "epoch", "best_step", "tokens_per_second", "seconds"}
NAMES = {
    "negative_elbo": "negative ELBO, nats a sequence",
    "reconstruction": "reconstruction, nats a sequence",
    "kl": "KL, nats a sequence",
    "loss": "trained loss, nats a sequence",
    "mutual_information": "mutual information, nats",
    "active_units": "active units",
    "dispersion": "feature dispersion",
}

Record = dict[str, Any]


def training(runs: Sequence[RunView]) -> Chart:
    """Curves of one run: bound, its two parts, what else was trained, and the units in use."""
    (run,) = runs
    train, validation = run.records("train"), run.records("validation")
    if not train and not validation:
        raise NotMeasuredError(
            f"{run.name} has no metrics yet", f"train it with `latentia train --resume {run.folder}`"
        )
    terms = [name for name in _numbers(train) if name not in KNOWN | OTHER and not name.startswith("weight_")]
    of_validation = [name for name in _numbers(validation) if name not in KNOWN | OTHER | set(terms)]
    names = ("negative_elbo", *_trained(train), "reconstruction", "kl", *terms)
    curves = [_curves(name, train, validation) for name in names]
    weights = [name for name in _numbers(train) if name.startswith("weight_")]
    panels = [*curves, _weights(weights, train), *(_curves(name, [], validation) for name in of_validation)]
    best = f" The weights kept are those of step {validation[-1]['best_step']:,.0f}." if _has_best(validation) else ""
    return Chart(
        "Training",
        [panel for panel in panels if panel.marks],
        "Grey: averages over the steps between two records, with the noise of training, such as dropout. Blue: the "
        "validation sequences. The bound has the KL at weight 1 whatever was trained; the weights are those of the "
        "loss." + best,
    )


def _trained(train: Sequence[Record]) -> list[str]:
    """The loss, where it is another number than the bound."""
    last = train[-1] if train else {}
    return [] if abs(last.get("loss", 0.0) - last.get("negative_elbo", 0.0)) < 1e-3 else ["loss"]


def _has_best(validation: Sequence[Record]) -> bool:
    return bool(validation) and bool(validation[-1].get("best_step"))


def _numbers(records: Sequence[Record]) -> list[str]:
    """Names of the numbers, in the order in which they are first met."""
    names = {name: None for record in records for name, value in record.items() if isinstance(value, float | int)}
    return [name for name in names if name not in OTHER]


def _curves(name: str, train: Sequence[Record], validation: Sequence[Record]) -> Panel:
    behind = _line("training", name, train, GREY, faint=True)
    front = _line("validation", name, validation, BLUE, dots=True)
    shown = [line for line in (behind, front) if len(line.x)]
    most = max([1.0, *front.y])
    limits = (-0.03 * most, 1.05 * most) if name == "active_units" else _range(behind.y, front.y)
    return Panel("step", NAMES.get(name, name.replace("_", " ")), shown, y_range=limits)


def _line(label: str, name: str, records: Sequence[Record], colour: int, **style: bool) -> Line:
    chosen = [record for record in records if isinstance(record.get(name), float | int)]
    return Line(label, [record["step"] for record in chosen], [record[name] for record in chosen], colour, **style)


def _range(train: Sequence[float], validation: Sequence[float]) -> tuple[float, float]:
    """Leave the first steps out of sight where they would press the rest flat; show what hardly changes as flat."""
    ordered = sorted(train)
    seen = ordered[: int(0.97 * len(ordered)) + 1] if len(ordered) >= 20 else ordered
    shown = [*seen, *validation] or [0.0]
    low, high = min(shown), max(shown)
    margin = max(0.05 * (high - low), 0.001 * abs(high), 1e-6)
    return low - margin, high + margin


def _weights(names: Sequence[str], train: Sequence[Record]) -> Panel:
    colours = (BLUE, VERMILION, GREY)
    lines = [
        _line(name.removeprefix("weight_").replace("_", " "), name, train, colours[place % 3], dashed=bool(place))
        for place, name in enumerate(names)
    ]
    return Panel("step", "weight in the loss", [line for line in lines if len(line.x)])
