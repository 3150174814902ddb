"""Draw the README's picture from a run of `latentia demo`.

usage: python docs/picture.py RUN [--out docs/images/space.png]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import latentia
from latentia.distributions import DiagonalGaussian, kl_per_dimension

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#f0e442")
INK, PAPER = "#333333", "#ffffff"


def main() -> None:
    """Read the arguments, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images/space.png"))
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "latentia"
    # No date in the file: the same run gives the same picture.
    metadata = {"Date": None} if arguments.out.suffix == ".svg" else None
    draw(arguments.run).savefig(arguments.out, metadata=metadata, dpi=110)


def draw(run: Path) -> Figure:
    """Draw the plane of the two widest directions beside the KL of each dimension."""
    space = latentia.load(run)
    lines = (run.with_name(f"{run.name}-data") / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    codes = space.encode([row["text"] for row in rows])
    figure = Figure(figsize=(10, 4.6), facecolor=PAPER, layout="constrained")
    plane, bars = figure.subplots(1, 2, width_ratios=(3, 1.4))
    directions = torch.linalg.svd(codes - codes.mean(dim=0), full_matrices=False).Vh[:2]
    _draw_plane(plane, (codes @ directions.T).numpy(), [row["topic"] for row in rows])
    _draw_path(plane, space, directions, rows)
    _draw_kl(bars, space, [row["text"] for row in rows])
    return figure


def _draw_plane(axes: Axes, points: np.ndarray, topics: list[str]) -> None:
    for radius in (1, 2, 3):
        circle = mpl.patches.Circle((0, 0), radius, fill=False, color="#bbbbbb", linewidth=0.8)
        axes.add_patch(circle)
    for colour, topic in zip(COLOURS, sorted(set(topics)), strict=False):
        chosen = np.array([name == topic for name in topics])
        axes.scatter(*points[chosen].T, s=5, color=colour, label=topic, alpha=0.6, linewidths=0)
    axes.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal", xlabel="first principal direction", ylabel="second")
    axes.set_title(
        "posterior means of held-out sentences\ncircles: 1, 2, 3 standard deviations of the prior",
        fontsize=9,
        color=INK,
    )
    axes.legend(frameon=False, fontsize=8, markerscale=3, loc="upper left", bbox_to_anchor=(1, 1))


def _draw_path(axes: Axes, space: latentia.TextSpace, directions: torch.Tensor, rows: list[dict[str, str]]) -> None:
    """Draw the line between two sentences of different topics, and say below what it decodes to."""
    first = rows[0]
    second = next(row for row in rows if row["topic"] != first["topic"] and row["sentiment"] != first["sentiment"])
    ends = space.encode([first["text"], second["text"]]) @ directions.T
    axes.plot(*ends.T.numpy(), color=INK, linewidth=1.2, marker="o", markersize=4)
    texts = ["along the line:", *space.interpolate(first["text"], second["text"], steps=7)]
    axes.text(1.02, 0.02, "\n".join(texts), transform=axes.transAxes, fontsize=7, color=INK, va="bottom")


def _draw_kl(axes: Axes, space: latentia.TextSpace, texts: list[str]) -> None:
    from latentia.data import Corpus

    batch = Corpus.from_texts(texts[:500], space.tokenizer).batch(np.arange(500))
    with torch.no_grad():
        posterior = space.model.encoder(batch)
    prior = DiagonalGaussian(*2 * (torch.zeros_like(posterior.location),))
    kl = kl_per_dimension(posterior, prior).mean(dim=0).sort(descending=True).values
    axes.bar(range(1, len(kl) + 1), kl.numpy(), color=COLOURS[0])
    axes.set(xlabel="dimension, sorted", ylabel="KL, nats")
    axes.set_title("rate of each dimension", fontsize=9, color=INK)


if __name__ == "__main__":
    main()
