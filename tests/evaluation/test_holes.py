"""Holes that are put into a space are found, at their size, and none are found where there are none."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentia.auxiliaries import Nothing, Unmasked
from latentia.data import Corpus, Selection
from latentia.data.tokenizer import Word
from latentia.decoders import Decoder
from latentia.distributions import DiagonalGaussian, VonMisesFisher
from latentia.encoders import Encoder, Unrefined
from latentia.evaluation import Holes, Subject
from latentia.evaluation.two_sample import classifier_two_sample_test, distance_to_nearest
from latentia.functional.resampling import share_beyond
from latentia.models import TextVAE
from latentia.priors import Prior, StandardNormal, UniformSphere
from latentia.records import Batch
from latentia.shapes import EOS

COUNT = 500
EDGE = 1.0
"""Codes above it in the first dimension decode to nonsense."""

MASS_ABOVE = 0.5 * math.erfc(EDGE / math.sqrt(2))
GOOD = [f"the {kind} cat sat on mat{n}" for n in range(20) for kind in ("red", "big", "old", "tame")] * 10
NONSENSE = "mat3 mat3 old sat the"


class Table(Encoder):
    """The posterior of a row, from a table."""

    def __init__(self, posteriors: DiagonalGaussian | VonMisesFisher) -> None:
        super().__init__()
        self.posteriors = posteriors

    def forward(self, batch: Batch) -> DiagonalGaussian | VonMisesFisher:
        return self.posteriors.with_parameters(*(part[batch.index] for part in self.posteriors.parameters))


class Regions(Decoder):
    """Writes one text where the first dimension is above the edge, and another elsewhere."""

    def __init__(self, above: list[int], below: list[int], vocabulary_size: int) -> None:
        super().__init__()
        closed = [torch.tensor([*text, EOS]) for text in (below, above)]
        self.texts = torch.nn.utils.rnn.pad_sequence(closed, batch_first=True)
        self.vocabulary_size = vocabulary_size

    def score(self, latent: Tensor, batch: Batch) -> Tensor:
        raise NotImplementedError

    def start(self, latent: Tensor) -> tuple[Tensor, ...]:
        region = (latent[:, 0] > EDGE).long()
        return region, torch.zeros_like(region)

    def advance(self, state: tuple[Tensor, ...], tokens: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        region, place = state
        scores = torch.full((len(region), self.vocabulary_size), -50.0)
        scores[torch.arange(len(region)), self.texts[region, place]] = 0
        return scores, (region, place + 1)


def examined(posteriors: DiagonalGaussian | VonMisesFisher, prior: Prior, above: str = NONSENSE) -> Subject:
    texts = GOOD[: len(posteriors.centre)]
    tokenizer, dimensions = Word().train(texts), posteriors.event_shape[0]
    rows, size = Selection.all_of(Corpus.from_texts(texts, tokenizer)), tokenizer.vocabulary_size
    written = [tokenizer.encode(text) for text in (above, "the old cat sat")]
    decoder = Regions(written[0], written[1], size)
    model = TextVAE(size, Table(posteriors), decoder, prior, Nothing(), Unmasked(), Unrefined(), dimensions)
    return Subject(model.eval(), tokenizer, 12, rows, rows, rows, seed=3)


def filled(variance: float = 0.2, count: int = COUNT) -> DiagonalGaussian:
    """Posteriors whose aggregate is the standard normal."""
    means = math.sqrt(1 - variance) * torch.randn(count, 2)
    return DiagonalGaussian(means, torch.full_like(means, math.log(variance)))


def cut(edge: float = EDGE) -> DiagonalGaussian:
    """Narrow posteriors, standard normal but for what lies above the edge."""
    means = torch.randn(20 * COUNT, 2)
    means = means[means[:, 0] < edge][:COUNT]
    return DiagonalGaussian(means, torch.full_like(means, -6.0))


def close(measured: dict, exact: float) -> bool:
    return abs(measured["value"] - exact) <= 4 * measured["standard_error"]


def test_a_space_without_holes_has_none():
    result = Holes(decoded=400).measure(examined(filled(), StandardNormal(2), above="the old cat sat"))
    assert result["draws"] == COUNT
    assert result["two_sample"]["p_value"] > 0.01
    assert close(result["thin"], 0.01)
    assert close(result["nearest_posterior"]["farther"], 0.01)
    difference = [result["nearest_posterior"][kind]["mean"] for kind in ("prior", "aggregate")]
    apart = abs(difference[0]["value"] - difference[1]["value"])
    assert apart <= 4 * math.hypot(*(each["standard_error"] for each in difference))
    assert result["text"]["bad"]["value"] == 0


def test_a_hole_is_found_at_its_size():
    """The prior's mass above the edge: no posterior lies there, and what is written there is nonsense."""
    result = Holes(decoded=COUNT, kept=3).measure(examined(cut(), StandardNormal(2)))
    assert result["two_sample"]["p_value"] < 0.05
    assert result["thin"]["value"] > 0.05
    assert result["nearest_posterior"]["farther"]["value"] > 0.05
    bad = result["text"]["bad"]
    assert close(bad, MASS_ABOVE)
    assert bad["excess"] == pytest.approx(bad["value"] - 0.05)
    worst = result["text"]["worst"]
    assert [each["text"] for each in worst] == [NONSENSE] * 3
    assert all(each["code"][0] > EDGE and each["nats_a_token"] > bad["limit"] for each in worst)


def test_the_thin_share_is_the_mass_that_the_aggregate_lacks():
    """Wide posteriors on one side of the line, close together: beyond them the density falls off at once."""
    means = torch.linspace(-4, 0, COUNT)[:, None]
    aggregate = DiagonalGaussian(means, torch.full_like(means, -8.0))
    result = Holes().measure(examined(aggregate, StandardNormal(1), above="the old cat sat"))
    assert close(result["thin"], 0.5)
    assert close(result["nearest_posterior"]["farther"], 0.5)


def test_a_decoder_that_writes_badly_everywhere_has_no_holes_for_it():
    subject = examined(filled(), StandardNormal(2))
    subject.model.decoder.texts[0] = subject.model.decoder.texts[1]
    result = Holes(decoded=300).measure(subject)["text"]
    assert result["bad"]["value"] == 0
    assert result["bad_against_held_out_text"]["value"] == 1
    prior, aggregate = (result["nats_a_token"][kind] for kind in ("prior", "aggregate"))
    assert prior["value"] == pytest.approx(aggregate["value"])


@pytest.mark.parametrize("concentrated", [False, True])
def test_on_the_sphere(concentrated):
    directions = torch.randn(400, 3)
    directions[:, 0] = directions[:, 0].abs() if concentrated else directions[:, 0]
    posteriors = VonMisesFisher(torch.nn.functional.normalize(directions, dim=-1), torch.full((400,), 200.0))
    result = Holes(decoded=50).measure(examined(posteriors, UniformSphere(3)))
    assert result["nearest_posterior"]["unit"] == "chord"
    assert (result["two_sample"]["p_value"] < 0.01) == concentrated
    assert (result["thin"]["value"] > 0.2) == concentrated


def test_distances_are_in_posterior_standard_deviations():
    """The same space in other units is the same space."""
    one, other = filled(), filled()
    other = DiagonalGaussian(one.mean / 10, one.log_variance - math.log(100))
    measured = [Holes(decoded=8).measure(examined(each, StandardNormal(2))) for each in (one, other)]
    first, second = (each["nearest_posterior"]["aggregate"]["median"]["value"] for each in measured)
    assert first == pytest.approx(second, rel=1e-4)


def test_the_nearest_of_the_others():
    centres = torch.tensor([[0.0], [3.0], [10.0]])
    found = distance_to_nearest(torch.tensor([[0.1], [0.1]]), centres, torch.tensor([0, 1]), chunk=1)
    assert found.tolist() == pytest.approx([2.9, 0.1])


def test_without_a_difference_small_p_values_are_rare():
    """At most as often as they say; on average at least a half."""
    values = torch.tensor(
        [classifier_two_sample_test(torch.randn(60, 3), torch.randn(60, 3), seed)["p_value"] for seed in range(20)]
    )
    for level in (0.05, 0.2, 0.5):
        assert (values <= level).double().mean().item() <= level + 3 * math.sqrt(level * (1 - level) / 20)
    assert values.mean().item() >= 0.5 - 3 / math.sqrt(12 * 20)


def ring(count: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(count, 2), dim=-1) * (2**0.5 + 0.1 * torch.randn(count, 1))


def clusters(count: int) -> Tensor:
    """Two, with the mean and the variances of the standard normal."""
    side = torch.randint(2, (count, 1)) * 2.0 - 1
    return torch.cat([0.95 * side, torch.zeros(count, 3)], dim=1) + torch.randn(count, 4) * torch.tensor(
        [math.sqrt(1 - 0.95**2), 1.0, 1.0, 1.0]
    )


def tilted(count: int) -> Tensor:
    noise = torch.randn(count, 8)
    noise[:, 1] = 0.8 * noise[:, 0] + 0.6 * noise[:, 1]
    return noise


SPACES = {
    "shifted": lambda count: torch.randn(count, 8) + 0.3,
    "narrow": lambda count: 0.8 * torch.randn(count, 8),
    "tilted": tilted,
    "ring": ring,
    "clusters": clusters,
}


@pytest.mark.parametrize("name", SPACES)
def test_a_classifier_sees_every_kind_of_difference(name):
    """No linear classifier sees but the first."""
    codes = SPACES[name](600)
    test = classifier_two_sample_test(torch.randn_like(codes), codes)
    assert test["p_value"] < 0.01
    assert test["accuracy"]["value"] > 0.55
    assert test["tested_on"] == 600


def test_what_is_expected_of_few_codes_is_what_lies_beyond_all_of_them():
    thin = Holes(decoded=2).measure(examined(filled(count=8), StandardNormal(2)))["thin"]
    assert thin["expected"] == pytest.approx(1 / 9)
    drawn = [share_beyond(*torch.randn(2, 8), 0.99)[0] for _ in range(2000)]
    assert sum(drawn) / 2000 == pytest.approx(1 / 9, abs=0.015)


def test_too_few_sequences_are_refused():
    assert "fewer than 8" in Holes().unfit(examined(filled(count=7), StandardNormal(2)))
    assert not Holes().unfit(examined(filled(count=8), StandardNormal(2)))
