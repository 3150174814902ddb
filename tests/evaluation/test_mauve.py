"""The divergence frontier of known histograms, and what a measure of features tells apart."""

from __future__ import annotations

import pytest
import torch

from latentia.errors import InputError
from latentia.evaluation import Mauve
from latentia.functional.frontier import divergence_frontier, frontier_area
from tests.laws.tables import extractor, subject


def test_points_of_the_curve_are_closed_forms():
    """Of disjoint halves the mixture has every cell with half its share: both divergences are -log of the shares."""
    curve = divergence_frontier(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), scale=1.0, places=3)
    torch.testing.assert_close(curve[0], torch.tensor([0.75, 0.5, 0.25], dtype=torch.float64))
    torch.testing.assert_close(curve[1], torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64))


def test_the_area_falls_from_one_as_histograms_part():
    even = torch.ones(10)
    areas = [frontier_area(even, torch.softmax(torch.arange(10) * tilt, 0)) for tilt in (0.0, 0.1, 0.5, 2.0)]
    assert areas[0] == pytest.approx(1)
    assert areas == sorted(areas, reverse=True)
    assert areas[-1] < 0.2
    assert frontier_area(even, 7 * even) == pytest.approx(1)


def test_the_area_is_symmetric_and_cells_without_mass_change_nothing():
    p, q = torch.tensor([3.0, 1.0, 0.0]), torch.tensor([1.0, 2.0, 0.0])
    assert frontier_area(p, q) == pytest.approx(frontier_area(q, p), abs=1e-3)
    assert frontier_area(p, q) == pytest.approx(frontier_area(p[:2], q[:2]))


def test_samples_that_are_the_text_score_as_well_as_text(monkeypatch):
    examined = subject()
    texts = [list(ids) for ids in examined.held_out.tokens()]
    monkeypatch.setattr("latentia.evaluation.mauve.prior_samples", lambda _subject, count: texts[:count])
    same = Mauve(extractor(), cells=3).measure(examined)["mauve"]["value"]
    monkeypatch.setattr("latentia.evaluation.mauve.prior_samples", lambda _subject, count: [texts[0]] * count)
    dull = Mauve(extractor(), cells=3).measure(examined)["mauve"]["value"]
    assert same > 0.95
    assert dull < same - 0.1


def test_without_an_extractor_it_says_so_and_a_wrong_folder_is_named(tmp_path):
    assert "Mauve.extractor" in Mauve().unfit(subject())
    with pytest.raises(InputError, match="no folder"):
        Mauve(str(tmp_path / "nowhere")).measure(subject())
    with pytest.raises(InputError, match="no language model"):
        Mauve(str(tmp_path)).measure(subject())


def test_an_empty_sample_is_read(monkeypatch):
    monkeypatch.setattr("latentia.evaluation.mauve.prior_samples", lambda _subject, count: [[]] * count)
    assert 0 <= Mauve(extractor(), samples=6, cells=2).measure(subject())["mauve"]["value"] <= 1
