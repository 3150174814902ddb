"""Reliability of predicted tokens: sums over sequences that stream, with a bootstrap of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latentia.functional.calibration import (
    CELLS_A_BIN,
    calibration_error,
    edges_of_cells,
    equal_mass,
    equal_width,
    histogram,
    in_bins,
    without,
)
from latentia.shapes import EOS

KINDS = ("top1", "weighted", "eos", "top1_without_eos", "weighted_without_eos")
MASS, EXPECTED = 0, 1
"""Columns of the sums that bins share out equally: of all kinds, and of EOS, which few steps expect at all."""


class Reliability:
    """Sums over sequences in fine cells of probability, of each kind of prediction, as they are and resampled.

    The bootstrap gives each sequence exponential weights instead of counts, so that no resample is empty and sequences
    need not be kept.

    Args:
        bins: Of each diagram.
        resamples: Of the bootstrap.

    Source: Rubin, The Bayesian Bootstrap, 1981.
    """

    def __init__(self, bins: int, resamples: int) -> None:
        """Begin with nothing."""
        self.bins = bins
        self.sums = torch.zeros(len(KINDS), resamples + 1, CELLS_A_BIN * bins, 3, dtype=torch.float64)
        self.totals = torch.zeros(resamples + 1, 3, dtype=torch.float64)

    def add(
        self,
        sequences: Iterable[tuple[Float[Tensor, "T V"], Int[Tensor, " T"]]],
        resampled: Float[Tensor, "B R"],
    ) -> None:
        """Count sequences, given as log-probabilities of all tokens at each step and the tokens that came."""
        weights = torch.cat([torch.ones_like(resampled[:, :1]), resampled], dim=1)
        counted = [self._counted(log_probabilities, tokens) for log_probabilities, tokens in sequences]
        cells, totals = (torch.stack(column) for column in zip(*counted, strict=True))
        self.sums += torch.einsum("br,bkcs->krcs", weights, cells)
        self.totals += weights.T @ totals

    def _counted(self, log_probabilities: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Cells of each kind; and negative log-likelihood, steps, and EOS that came."""
        others, rest = without(log_probabilities, tokens, EOS)
        cells = [*self._of_tokens(log_probabilities, tokens), *self._of_tokens(others, rest)]
        ends, came = log_probabilities[:, EOS], tokens == EOS
        cells.insert(KINDS.index("eos"), histogram(ends, ends[came], self.bins, by_probability=False))
        cost = -log_probabilities.gather(1, tokens[:, None]).double().sum()
        return torch.stack(cells), torch.stack([cost, torch.tensor(len(tokens)).double(), came.sum().double()])

    def _of_tokens(self, log_probabilities: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The most probable token of each step, and all tokens with their probabilities as mass."""
        top, choice = log_probabilities.max(dim=-1)
        chosen = log_probabilities.gather(1, tokens[:, None])
        return (
            histogram(top, top[choice == tokens], self.bins, by_probability=False),
            histogram(log_probabilities, chosen, self.bins, by_probability=True),
        )

    def estimates(self) -> dict[str, Float[Tensor, " R"]]:
        """Each number: that of the sequences, then those of the resamples."""
        cost, steps, ends = self.totals.unbind(dim=1)
        sums = dict(zip(KINDS, self.sums, strict=True))
        errors = {_named(kind): calibration_error(self._in_equal_mass(kind)) for kind in KINDS}
        width = equal_width(self.bins)
        wide = {
            f"{_named(kind)}_equal_width": calibration_error(in_bins(sums[kind], width, self.bins))
            for kind in ("top1", "weighted")
        }
        expected = sums["eos"][..., EXPECTED].sum(dim=1) / ends
        return {"nll_a_token": cost / steps, **errors, **wide, "expected_eos": expected}

    def summary(self) -> dict[str, Any]:
        """Every number with its standard error, and the diagrams."""
        numbers = {name: _estimate(each) for name, each in self.estimates().items()}
        return {**numbers, "diagrams": {kind: self.diagram(kind) for kind in KINDS}}

    def change_from(self, before: Reliability) -> dict[str, Any]:
        """Every number less that of ``before``, which has counted the same sequences with the same weights."""
        earlier = before.estimates()
        return {name: _estimate(each - earlier[name]) for name, each in self.estimates().items()}

    def diagram(self, kind: str) -> list[dict[str, float]]:
        """Reliability diagram: range, count, mean confidence and accuracy of each bin that is not empty.

        Where mass is probability, ``count`` is the mass and the means are weighted by it.
        """
        bin_of, edges = self._bins_of(kind), edges_of_cells(self.bins)
        rows = in_bins(self._of(kind)[:1], bin_of, self.bins)[0]
        return [
            {
                "from": edges[:-1][bin_of == number].min().item(),
                "to": edges[1:][bin_of == number].max().item(),
                "count": mass,
                "confidence": expected / mass,
                "accuracy": came / mass,
            }
            for number, (mass, expected, came) in enumerate(rows.tolist())
            if mass > 0
        ]

    def _of(self, kind: str) -> Float[Tensor, "R cells 3"]:
        return self.sums[KINDS.index(kind)]

    def _bins_of(self, kind: str) -> Int[Tensor, " cells"]:
        return equal_mass(self._of(kind)[0, :, EXPECTED if kind == "eos" else MASS], self.bins)

    def _in_equal_mass(self, kind: str) -> Float[Tensor, "R bins 3"]:
        return in_bins(self._of(kind), self._bins_of(kind), self.bins)


def _named(kind: str) -> str:
    """Name of the error of a kind."""
    head, _, tail = kind.partition("_")
    return f"{head}_ece_{tail}" if tail else f"{head}_ece"


def _estimate(values: Float[Tensor, " R"]) -> dict[str, float]:
    """The number, and how much it varies over the resamples."""
    return {"value": values[0].item(), "standard_error": values[1:].std(correction=0).item()}
