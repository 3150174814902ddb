"""Information, and the parts of the KL, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import kl_divergence

from latentia.auxiliaries import Nothing, Unmasked
from latentia.data import Corpus, Selection
from latentia.data.tokenizer import Word
from latentia.decoders import LSTMDecoder
from latentia.distributions import DiagonalGaussian, GaussianMixture, SharedNoiseGaussian
from latentia.encoders import Encoder, Unrefined
from latentia.evaluation import Information, Subject, reverse_marginal_gap
from latentia.evaluation.estimates import average
from latentia.evaluation.surgery import surgery
from latentia.functional.dispersion import participation_ratio
from latentia.functional.resampling import bootstrap_error, share_beyond
from latentia.models import TextVAE
from latentia.nn import SequenceDropout
from latentia.priors import LearnedMixture, StandardNormal
from latentia.records import Batch

COUNT = 2000
CORRELATION = 0.8


def normal(dimensions: int) -> DiagonalGaussian:
    return DiagonalGaussian(torch.zeros(dimensions), torch.zeros(dimensions))


def correlated(variance: float, count: int = COUNT) -> DiagonalGaussian:
    """Posteriors whose aggregate is N(0, [[1, r], [r, 1]]) in the limit: means have what their own variance lacks."""
    covariance = torch.tensor([[1.0, CORRELATION], [CORRELATION, 1.0]]) - variance * torch.eye(2)
    means = torch.randn(count, 2) @ torch.linalg.cholesky(covariance).T
    return DiagonalGaussian(means, torch.full_like(means, math.log(variance)))


def close(measured: dict, exact: float, beside: float = 0.0) -> bool:
    return abs(measured["value"] - exact) <= 4 * measured["standard_error"] + beside


def test_total_correlation_of_a_correlated_aggregate_is_closed_form():
    r""":math:`-\tfrac12 \log \det R`; what a finite sample of the means adds is below 0.02."""
    terms = {name: average(values) for name, values in surgery(correlated(0.15), normal(2), 4).items()}
    assert close(terms["total_correlation"], -0.5 * math.log(1 - CORRELATION**2), 0.02)
    assert close(terms["dimension_wise_kl"], 0.0, 0.01)
    channel = 0.5 * math.log((1 - CORRELATION**2) / 0.15**2)
    assert close(terms["information"], channel, 0.03)


@pytest.mark.parametrize("variance", [0.15, 1e-4])
def test_the_parts_add_up_to_the_kl(variance):
    """Information by draws, the dimensions by quadrature, the KL in closed form: also where information is capped."""
    posteriors, prior = correlated(variance), DiagonalGaussian(torch.tensor([0.3, 0.0]), torch.tensor([0.2, -0.1]))
    terms = surgery(posteriors, prior, 2)
    torch.testing.assert_close(terms["kl"], kl_divergence(posteriors, prior).double())
    exact = reverse_marginal_gap(posteriors, prior.expand([1])).sum().item()
    assert close(average(terms["dimension_wise_kl"]), exact, 1e-4)
    assert close(average(terms["information"] + terms["total_correlation"] - terms["kl"]), -exact, 1e-4)
    assert close(average(terms["remainder"]), 0.0)


def test_information_of_texts_lies_between_the_two_estimates():
    """Sixty-four texts cannot show the six nats of the channel; the estimate without the own component passes them."""
    noise, dimensions = 1 / 19, 4
    posteriors = DiagonalGaussian(
        math.sqrt(1 - noise) * torch.randn(64, dimensions), torch.full((64, dimensions), math.log(noise))
    )
    terms, channel = surgery(posteriors, normal(dimensions), 20), 0.5 * dimensions * math.log(19)
    assert average(terms["information"])["value"] <= math.log(64)
    assert average(terms["information"])["value"] < channel < average(terms["information_without_own"])["value"]


def test_collapsed_posteriors_have_nothing_of_anything():
    for values in surgery(normal(3).expand([50]), normal(3), 2).values():
        assert values.abs().max().item() < 1e-5


def test_noise_that_dimensions_share_is_correlation():
    """Posteriors with one mean carry nothing, and their aggregate is one Gaussian with correlated dimensions."""
    noise_map = torch.linalg.cholesky(torch.tensor([[1.0, CORRELATION], [CORRELATION, 1.0]]))
    terms = surgery(SharedNoiseGaussian(torch.zeros(500, 2), noise_map), normal(2), 4)
    assert close(average(terms["total_correlation"]), -0.5 * math.log(1 - CORRELATION**2), 1e-3)
    assert close(average(terms["information"]), 0.0, 1e-5)


def test_a_prior_whose_dimensions_depend_leaves_a_remainder():
    r"""Two components on the diagonal, far apart: :math:`\log \prod p(z_i) - \log p(z) = -\log 2` where they are."""
    components = DiagonalGaussian(torch.tensor([[-9.0, -9.0], [9.0, 9.0]]), torch.zeros(2, 2))
    posteriors = components.with_parameters(*(part.repeat(50, 1) for part in components.parameters))
    terms = surgery(posteriors, GaussianMixture(components), 20)
    assert close(average(terms["remainder"]), -math.log(2), 1e-4)
    assert close(average(terms["aggregate_kl"]), 0.0, 1e-4)


@pytest.mark.parametrize("spread", [[1.0, 1.0, 1.0], [3.0, 1.0, 0.1], [1.0, 0.0, 0.0]])
def test_the_effective_dimension_is_the_participation_ratio(spread):
    variances = torch.tensor(spread).square()
    exact = (variances.sum().square() / variances.square().sum()).item()
    codes = torch.randn(4000, 3) * torch.tensor(spread) @ torch.linalg.qr(torch.randn(3, 3)).Q
    error = bootstrap_error(participation_ratio, (codes,), 100)
    assert participation_ratio(codes) == pytest.approx(exact, abs=4 * error + 1e-6)


def test_the_bootstrap_error_of_a_share_is_its_spread():
    """Over many pairs of samples, quantile and share both anew; and the share is what it should be without a gap."""
    pairs = [(torch.randn(300), torch.randn(300)) for _ in range(1000)]
    shares = torch.tensor([share_beyond(*pair, 0.95)[0] for pair in pairs])
    assert shares.mean().item() == pytest.approx(0.05, abs=4 * shares.std().item() / math.sqrt(1000))
    errors = [bootstrap_error(lambda x, y: share_beyond(x, y, 0.95)[0], pair, 100) for pair in pairs[:30]]
    assert sum(errors) / 30 == pytest.approx(shares.std().item(), rel=0.2)


class Table(Encoder):
    """The posterior of a row, from a table."""

    def __init__(self, posteriors: DiagonalGaussian) -> None:
        super().__init__()
        self.posteriors = posteriors

    def forward(self, batch: Batch) -> DiagonalGaussian:
        return DiagonalGaussian(*(part[batch.index] for part in self.posteriors.parameters))


def examined(posteriors: DiagonalGaussian, prior: torch.nn.Module) -> Subject:
    texts = [f"a{n % 7} b{n % 5} c" for n in range(len(posteriors.mean))]
    tokenizer, dimensions = Word().train(texts), posteriors.event_shape[0]
    rows, size = Selection.all_of(Corpus.from_texts(texts, tokenizer)), tokenizer.vocabulary_size
    decoder = LSTMDecoder(size, dimensions, SequenceDropout(), 4, 4)
    model = TextVAE(size, Table(posteriors), decoder, prior, Nothing(), Unmasked(), Unrefined(), dimensions)
    return Subject(model.eval(), tokenizer, 5, rows, rows, rows, seed=3)


def half_used(count: int = 600) -> DiagonalGaussian:
    means: Tensor = torch.randn(count, 4) * torch.tensor([0.9, 0.0, 0.6, 0.0])
    return DiagonalGaussian(means, torch.tensor([0.19, 1.0, 0.64, 1.0]).log().expand_as(means).contiguous())


def test_the_measure_finds_the_dimensions_that_are_used():
    measure, posteriors = Information(draws=4), half_used()
    result = measure.measure(examined(posteriors, StandardNormal(4)))
    assert [row["index"] for row in result["dimensions"]][:2] == [0, 2]
    per_dimension = sum(row["kl"]["value"] for row in result["dimensions"])
    assert per_dimension == pytest.approx(result["kl"]["value"], rel=1e-5)
    assert (result["active_units"]["value"], result["active_units"]["standard_error"]) == (2, 0.0)
    assert close(result["effective_dimension"], (0.81 + 0.36) ** 2 / (0.81**2 + 0.36**2))
    assert close(result["information"], -0.5 * math.log(0.19 * 0.64), 0.03)
    per_batch = result["information_per_batch"]
    assert (per_batch["batch"], per_batch["batches"]) == (32, 18)
    assert per_batch["value"] < result["information"]["value"] < -0.5 * math.log(0.19 * 0.64) + 0.1
    assert per_batch["cap"] == pytest.approx(math.log(32))
    assert any("cap 3.47" in text for _, _, text in measure.lines(result))


def test_information_within_batches_stops_at_its_cap():
    posteriors = DiagonalGaussian(torch.randn(300, 4), torch.full((300, 4), -12.0))
    result = Information(batch=10).measure(examined(posteriors, StandardNormal(4)))
    assert result["information_per_batch"]["share_of_cap"] == pytest.approx(1, abs=1e-6)
    assert result["information_per_batch"]["cap"] == pytest.approx(math.log(10))


def test_what_a_space_does_not_define_is_none():
    learned = Information().measure(examined(half_used(60), LearnedMixture(4, 3)))
    assert {row["kl"]["value"] for row in learned["dimensions"]} == {None}
    assert learned["total_correlation"]["value"] is not None
    same = DiagonalGaussian(torch.zeros(60, 4), torch.zeros(60, 4))
    assert Information().measure(examined(same, StandardNormal(4)))["effective_dimension"]["value"] is None
