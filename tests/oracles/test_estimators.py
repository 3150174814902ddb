"""Estimators against models solved exactly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import kl_divergence

from latentia.distributions import (
    DiagonalGaussian,
    GaussianMixture,
    PowerSpherical,
    VonMisesFisher,
    information_of_each,
)
from latentia.errors import DataError
from latentia.evaluation import (
    importance_weighted_likelihood,
    joint_gap,
    marginal_gap,
    mutual_information,
    reverse_marginal_gap,
)
from latentia.evaluation.aggregate import active_units, continuous_units
from latentia.evaluation.likelihood import importance_weights, two_phase
from latentia.evaluation.suite import _marginals
from latentia.functional.aggregate import marginal_log_density
from latentia.functional.autoregression import committed_rate
from latentia.functional.importance import log_mean_exp, mean_and_standard_error, ratio_and_standard_error
from latentia.functional.schedule import Constant
from latentia.objectives.base import sum_of_kl
from latentia.records import Batch
from tests.laws.tables import OBJECTIVES, D, model, sequential_model
from tests.oracles.linear_gaussian import LinearGaussian


def standard_normal(dimensions: int) -> DiagonalGaussian:
    """The prior, as one component."""
    return DiagonalGaussian(torch.zeros(1, dimensions), torch.zeros(1, dimensions))


def test_the_exact_posterior_makes_every_weight_the_evidence():
    oracle = LinearGaussian()
    torch.testing.assert_close(importance_weights(oracle.run(5)), oracle.evidence().expand(5, -1), rtol=1e-4, atol=1e-3)


def nll(oracle: LinearGaussian, samples: int, repeats: int) -> tuple[float, float]:
    values = torch.stack([-log_mean_exp(importance_weights(oracle.run(samples))).mean() for _ in range(repeats)])
    return values.mean().item(), values.std().item() / math.sqrt(repeats)


def test_one_sample_is_the_negative_elbo():
    oracle = LinearGaussian(spread=2.0)
    value, error = nll(oracle, 1, 1000)
    run = oracle.run(4000)
    bound = (sum_of_kl(run) - run.log_likelihood.mean(0)).mean().item()
    assert value == pytest.approx(bound, abs=4 * error)


def test_more_samples_tighten_the_bound_to_the_evidence():
    oracle = LinearGaussian(spread=2.0)
    exact = -oracle.evidence().mean().item()
    values, errors = zip(*(nll(oracle, samples, 200) for samples in (1, 4, 16, 256)), strict=True)
    for before, after, error in zip(values, values[1:], errors[1:], strict=False):
        assert after < before + 3 * error
    assert values[0] > exact + 3 * errors[0]
    assert values[-1] == pytest.approx(exact, abs=4 * errors[-1] + 2e-3)


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if OBJECTIVES[name](Constant()).is_bound])
def test_bounds_stay_above_the_evidence(name):
    oracle = LinearGaussian(spread=1.5)
    terms = OBJECTIVES[name](Constant())(oracle.run(4000), 0)
    for cost in (terms.loss, terms.bound):
        error = cost.mean(dim=1).std().item() / math.sqrt(4000)
        assert cost.mean().item() >= -oracle.evidence().mean().item() - 3 * error


def test_three_word_language_by_quadrature():
    """One latent dimension is integrated; the importance-weighted estimate reaches the exact value."""
    from latentia.auxiliaries import Nothing, Unmasked
    from latentia.decoders import LSTMDecoder
    from latentia.encoders import LSTMEncoder, Unrefined
    from latentia.models import TextVAE
    from latentia.nn import Clean, GaussianHead, LastState, SequenceDropout
    from latentia.priors import StandardNormal

    encoder = LSTMEncoder(7, LastState(), GaussianHead(6, 1), SequenceDropout(), Clean(), 5, 6)
    decoder = LSTMDecoder(7, 1, SequenceDropout(), 5, 6)
    vae = TextVAE(7, encoder, decoder, StandardNormal(1), Nothing(), Unmasked(), Unrefined(), 1).eval()
    batch = Batch.collate([[4, 5], [6, 6]])
    points = torch.linspace(-8, 8, 2001)
    with torch.no_grad():
        likelihood = vae.decoder(points[:, None, None].expand(-1, 2, 1)).log_prob(batch)
    log_prior = -0.5 * (points.square() + math.log(2 * math.pi))
    exact = -torch.trapezoid((likelihood + log_prior[:, None]).exp(), points, dim=0).log()
    measured = importance_weighted_likelihood(vae, [batch], 4000)
    torch.testing.assert_close(measured.nll_iw, exact, atol=0.03, rtol=0)
    assert (measured.reconstruction + measured.kl > exact - 0.01).all()


def test_mutual_information_of_a_known_channel():
    """Means ~ N(0, 3), unit variance: I = log(4) / 2 nats a dimension, far below the cap."""
    aggregate = DiagonalGaussian(torch.randn(4000, 1) * 3**0.5, torch.zeros(4000, 1))
    measured = mutual_information(information_of_each(aggregate, 4))
    assert measured["value"] == pytest.approx(0.5 * math.log(4), abs=4 * measured["standard_error"] + 0.01)
    assert measured["cap"] == pytest.approx(math.log(4000))


def test_mutual_information_never_passes_its_cap():
    aggregate = DiagonalGaussian(torch.randn(50, 8) * 100, torch.full((50, 8), -6.0))
    measured = mutual_information(information_of_each(aggregate, 2))
    assert measured["value"] == pytest.approx(measured["cap"], abs=1e-6)


@pytest.mark.parametrize("kind", [VonMisesFisher, PowerSpherical])
@pytest.mark.parametrize("concentration", [1e2, 1e4, 1e6])
def test_information_on_the_sphere_never_passes_its_cap(kind, concentration):
    """Rounded lengths of codes and directions, times the concentration, would."""
    directions = torch.nn.functional.normalize(torch.randn(20, 32), dim=-1)
    information = information_of_each(kind(directions, torch.full((20,), concentration)), 50)
    assert information.max().item() <= math.log(20) + 1e-6


def test_collapsed_posteriors_carry_nothing_and_have_every_continuous_unit():
    aggregate = DiagonalGaussian(torch.zeros(100, 4), torch.zeros(100, 4))
    assert mutual_information(information_of_each(aggregate, 2))["value"] == pytest.approx(0, abs=1e-6)
    assert active_units(aggregate) == 0
    assert continuous_units(marginal_gap(aggregate, standard_normal(4))) == {"0.01": 4, "0.03": 4, "0.05": 4, "0.1": 4}
    assert joint_gap(aggregate, DiagonalGaussian(torch.zeros(4), torch.zeros(4)), 1000)["value"] == pytest.approx(
        0, abs=1e-6
    )


def test_a_unit_is_continuous_whose_gap_is_below_the_threshold():
    gaps = torch.tensor([0.005, 0.02, 0.04, 0.07, 0.2])
    assert continuous_units(gaps) == {"0.01": 1, "0.03": 2, "0.05": 3, "0.1": 4}


def test_continuity_is_of_the_gap_from_the_prior():
    """Of an aggregate narrower than the prior the two directions differ: 0.81 nats and 0.32."""
    narrow = DiagonalGaussian(torch.zeros(8, 2), torch.full((8, 2), math.log(0.25)))
    told = _marginals(narrow, standard_normal(2))
    exact = [0.5 * (4 - 1 + math.log(0.25)), 0.5 * (0.25 - 1 - math.log(0.25))]
    assert told["marginal_gap_per_dimension"] == pytest.approx([exact[0]] * 2, rel=1e-4)
    assert told["reverse_marginal_gap_per_dimension"] == pytest.approx([exact[1]] * 2, rel=1e-4)
    assert told["continuous_units"]["0.1"] == 0


def test_units_are_active_from_an_unbiased_variance_of_a_hundredth_on():
    """Of means, whatever the variances of the posteriors; over five sequences a biased estimate is a fifth lower."""
    spread = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])[:, None] / math.sqrt(2.5)
    aggregate = DiagonalGaussian(spread * torch.tensor([0.095, 0.101, 0.0, 1.0]), torch.full((5, 4), 3.0))
    assert active_units(aggregate) == 2
    assert active_units(aggregate, threshold=0.009) == 3


def test_gaps_of_a_shifted_gaussian_are_closed_form():
    """KL(N(0, 1) || N(m, v)) a dimension."""
    mean, log_variance = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, 0.0]])
    aggregate = DiagonalGaussian(mean.expand(10, -1), log_variance.expand(10, -1))
    exact = 0.5 * (log_variance - 1 + (1 + mean.square()) / log_variance.exp())[0].double()
    torch.testing.assert_close(marginal_gap(aggregate, standard_normal(2)), exact, atol=1e-6, rtol=0)
    measured = joint_gap(aggregate, DiagonalGaussian(torch.zeros(2), torch.zeros(2)), 50_000)
    assert measured["value"] == pytest.approx(exact.sum().item(), abs=4 * measured["standard_error"])


@pytest.mark.parametrize("log_variance", [-12.0, 0.0, 3.0])
def test_large_mixtures_equal_torch(log_variance):
    mean, variances = torch.randn(30, 4), torch.full((30, 4), log_variance) + torch.randn(30, 4) * 0.1
    samples = (
        mean.repeat(2, 1) + torch.randn(60, 4) * (0.5 * log_variance - 1 if log_variance < 0 else 1.0).__abs__() * 1e-3
    )
    parts = torch.distributions.Normal(mean.double(), (0.5 * variances.double()).exp()).log_prob(
        samples.double()[:, None]
    )
    expected = parts.sum(-1).logsumexp(1) - math.log(30)
    mixture = DiagonalGaussian(mean, variances).mixture_log_prob(samples, chunk=100)
    torch.testing.assert_close(mixture, expected, atol=1e-6, rtol=1e-9)
    marginal = marginal_log_density(samples[:, 0], mean, variances, chunk=500)
    expected = torch.distributions.Normal(mean.double(), (0.5 * variances.double()).exp())
    expected = expected.log_prob(samples[:, 0].double()[:, None, None]).logsumexp(1) - math.log(30)
    torch.testing.assert_close(marginal, expected)


@pytest.mark.parametrize("log_variance", [-12.0, 0.0])
def test_a_mixture_of_the_others_equals_torch(log_variance):
    """Where the own component is all there is to see, the others are still found below it."""
    mean, variances = torch.randn(30, 4), torch.full((30, 4), log_variance)
    aggregate, own = DiagonalGaussian(mean, variances), torch.arange(30)
    codes = aggregate.sample()
    parts = torch.distributions.Normal(mean.double(), (0.5 * variances.double()).exp())
    parts = parts.log_prob(codes.double()[:, None]).sum(-1).masked_fill(torch.eye(30, dtype=torch.bool), -torch.inf)
    found = aggregate.mixture_of_others_log_prob(codes, own, chunk=100)
    torch.testing.assert_close(found, parts.logsumexp(1) - math.log(29), atol=1e-5, rtol=1e-9)


def test_evaluation_of_a_model_adds_up():
    from latentia.evaluation import evaluate

    batches = [Batch.collate([[4, 5], [6, 4]]), replace(Batch.collate([[5]]), index=torch.tensor([2]))]
    result = evaluate(model().eval(), lambda: batches, words=torch.tensor([2, 2, 1]), samples=8, seed=0)
    assert result["tokens_with_eos"] == 8
    assert result["elbo"] == pytest.approx(-result["reconstruction"] - result["kl"], rel=1e-5)
    total = 3 * result["nll_iw"]["value"]
    assert result["ppl_word_with_eos"] == pytest.approx(np.exp(total / 8))
    assert result["ppl_word_without_eos"] == pytest.approx(np.exp(total / 5))
    assert result["mutual_information"]["value"] <= result["mutual_information"]["cap"]
    assert result["aggregate_kl"] == pytest.approx(result["kl"] - result["mutual_information"]["value"], abs=1e-6)
    for gap in ("marginal_gap", "reverse_marginal_gap"):
        assert len(result[f"{gap}_per_dimension"]) == D
        assert result[gap] == pytest.approx(sum(result[f"{gap}_per_dimension"]))


def test_what_has_no_estimate_for_codes_of_one_a_token_is_none_and_shown_as_such():
    from latentia.evaluation import evaluate
    from latentia.evaluation.table import rows_of_table

    vae = sequential_model().eval()
    batches = [Batch.collate([[4, 5], [6, 4]]), replace(Batch.collate([[5]]), index=torch.tensor([2]))]
    result = evaluate(vae, lambda: batches, words=torch.tensor([2, 2, 1]), samples=8, seed=0)
    assert result["elbo"] == pytest.approx(-result["reconstruction"] - result["kl"], rel=1e-5)
    least = [committed_rate(0.7, batch.lengths).sum().item() for batch in batches]
    assert result["kl"] >= D * sum(least) / 3
    assert result["ppl_token"] == pytest.approx(np.exp(3 * result["nll_iw"]["value"] / 8))
    for key in ("joint_gap", "joint_gap_standard_error", "aggregate_kl", "aggregate_kl_standard_error"):
        assert result[key] is None
    assert result["mutual_information"]["value"] is None
    shown = {name: value for name, value, _ in rows_of_table(result)}
    assert [value for name, value in shown.items() if "information" in name or "joint" in name] == ["none"] * 3
    means = torch.cat([vae.encoder(batch).mean[batch.mask] for batch in batches]).double()
    assert len(means) == 8
    assert result["units_over"] == "steps"
    assert result["variances_of_means"] == pytest.approx(sorted(means.var(dim=0).tolist(), reverse=True))
    assert len(result["marginal_gap_per_dimension"]) == D


def test_the_error_of_a_ratio_is_its_spread_over_corpora():
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(1, 40, (500, 400), generator=generator)
    values = 3.0 * counts + counts.sqrt() * torch.randn(500, 400, generator=generator)
    ratios, errors = zip(*(ratio_and_standard_error(*row) for row in zip(values, counts, strict=True)), strict=True)
    assert np.mean(ratios) == pytest.approx(3.0, abs=0.01)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.1)


def test_scoring_in_chunks_changes_nothing(monkeypatch):
    batch = Batch.collate([[4, 5, 6], [6, 4, 5]])
    whole, parts = [], []
    for tokens, kept in ((2**15, whole), (16, parts)):
        monkeypatch.setattr("latentia.evaluation.likelihood.TOKENS_AT_A_TIME", tokens)
        torch.manual_seed(0)
        kept.append(importance_weighted_likelihood(model().eval(), [batch], 1500))
    torch.testing.assert_close(whole[0].nll_iw, parts[0].nll_iw, atol=0.03, rtol=0)
    torch.testing.assert_close(whole[0].kl, parts[0].kl)


def test_a_perplexity_beyond_floats_is_none_and_still_shown():
    """One word of a thousand characters."""
    from latentia.evaluation import evaluate
    from latentia.evaluation.table import rows_of_table

    batch = Batch.collate([[4, 5, 6] * 340, [4]])
    result = evaluate(model().eval(), lambda: [batch], words=torch.tensor([1, 1]), samples=2, seed=0)
    assert result["ppl_word_without_eos"] is None
    assert result["ppl_token"] < 100
    assert any("beyond floats" in row for row in rows_of_table(result))


def test_prior_draws_of_a_gaussian_are_the_prior():
    assert DiagonalGaussian(torch.zeros(2), torch.zeros(2)).sample((100_000,)).var(0).tolist() == pytest.approx(
        [1, 1], abs=0.02
    )


def test_two_phases_have_the_mean_and_the_spread_of_the_difference_estimator():
    """Over many corpora: unbiased for the mean of the fine values, and the standard error is the one that is seen."""
    estimates, errors = [], []
    for _ in range(2000):
        fine = torch.randn(400, dtype=torch.float64)
        rough = fine + 0.5 + 0.3 * torch.randn(400, dtype=torch.float64)
        value, error = mean_and_standard_error(two_phase(rough, fine, torch.arange(400) % 20 == 0))
        estimates.append(value)
        errors.append(error)
    estimates = torch.tensor(estimates)
    assert estimates.mean().item() == pytest.approx(0.0, abs=4 * estimates.std().item() / math.sqrt(2000))
    assert sum(errors) / 2000 == pytest.approx(estimates.std().item(), rel=0.06)


def test_two_phases_agree_with_one():
    """Where twenty draws and four hundred differ by much more than the tolerance: posteriors far from the true ones."""
    vae = model().eval()
    head = vae.encoder.posterior.parameters_of
    head.weight.data.zero_()
    head.bias.data.copy_(torch.tensor([2.0, -2.0, 2.0, 0.5, 0.5, 0.5]))
    batches = [Batch.collate([[4, 5], [6, 6]] * 150), Batch.collate([[4], [5]] * 150)]
    few = importance_weighted_likelihood(vae, batches, 20).nll_iw.mean().item()
    one = importance_weighted_likelihood(vae, batches, 400)
    two = importance_weighted_likelihood(vae, batches, 400, every=4)
    assert (one.estimator, two.estimator) == ("nll_iw(400)", "nll_iw(400), two-phase 1/4")
    value, error = mean_and_standard_error(two.nll_iw)
    assert few - one.nll_iw.mean().item() > 6 * error
    assert value == pytest.approx(one.nll_iw.mean().item(), abs=3 * error)
    torch.testing.assert_close(one.kl, two.kl)


def test_fewer_draws_than_few_are_one_phase():
    likelihood = importance_weighted_likelihood(model().eval(), [Batch.collate([[4, 5]] * 8)], 5, every=2)
    assert likelihood.nll_iw.isfinite().all()
    assert likelihood.samples == 5


def test_the_chosen_of_a_corpus_in_order_are_not_its_shortest():
    chosen = []

    def watch(rough: torch.Tensor, fine: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        chosen.append(kept)
        return rough

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("latentia.evaluation.likelihood.two_phase", watch)
        importance_weighted_likelihood(model().eval(), [Batch.collate([[4]] * 10)], 25, every=4)
    assert chosen[0].nonzero().flatten().tolist() == [2, 6]


def test_two_phases_need_two_sequences_for_all_draws():
    with pytest.raises(DataError, match="--every"):
        importance_weighted_likelihood(model().eval(), [Batch.collate([[4], [5], [6]])], 30, every=5)


def test_the_dual_estimate_is_reported_beside_the_exact_kl_and_called_no_bound():
    from latentia.auxiliaries import DualCritic
    from latentia.evaluation import evaluate
    from latentia.evaluation.table import rows_of_table

    vae = model().eval()
    batch = Batch.collate([[4, 5], [6, 6]])
    words = torch.tensor([2, 2])
    assert "dual" not in evaluate(vae, lambda: [batch], words, 2, 0)
    vae.auxiliary = DualCritic(3, features=8)
    result = evaluate(vae, lambda: [batch], words, 2, 0)
    assert result["dual"]["is_bound"] is False
    assert result["dual"]["of"] == "KL(q(z|x) || p(z))"
    together = result["reconstruction"] + result["dual"]["estimate"]["value"]
    assert result["dual"]["negative_elbo"]["value"] == pytest.approx(together, abs=1e-4)
    assert result["dual"]["estimate"]["value"] != pytest.approx(result["kl"], abs=1e-3)
    shown = {name: value for name, value, _ in rows_of_table(result)}
    assert shown["reconstruction + dual estimate, no bound"] == f"{together:.3f}"
    vae.auxiliary = DualCritic(3, of_each=False, features=8)
    of_aggregate = evaluate(vae, lambda: [batch], words, 2, 0)["dual"]
    assert of_aggregate["of"] == "KL(q(z) || p(z))"
    assert "negative_elbo" not in of_aggregate


def test_an_aggregate_that_is_the_learned_prior_has_no_gap():
    components = DiagonalGaussian(3 * torch.randn(5, 2), torch.randn(5, 2))
    assert marginal_gap(components, components).abs().max() < 1e-9
    gap = joint_gap(components, GaussianMixture(components), 500)
    assert gap["value"] == pytest.approx(0, abs=1e-4)


def test_gaps_to_a_prior_that_is_not_standard_are_closed_form():
    """KL(N(m, v) || N(0, 1)), wide and narrow."""
    prior = DiagonalGaussian(torch.tensor([[3.0, -1.0, 0.5]]), torch.tensor([[1.5, -4.0, -9.0]]))
    exact = kl_divergence(prior, standard_normal(3))[0]
    assert marginal_gap(standard_normal(3), prior).sum().item() == pytest.approx(exact.item(), rel=1e-4)


def test_a_gap_to_a_mixture_sees_its_narrow_component():
    prior = DiagonalGaussian(torch.tensor([[0.0], [20.0]]), torch.tensor([[-9.0], [0.0]]))
    gap = marginal_gap(prior, DiagonalGaussian(prior.mean, torch.tensor([[-9.0], [1.0]])))
    wide = kl_divergence(
        DiagonalGaussian(torch.zeros(1), torch.ones(1)), DiagonalGaussian(torch.zeros(1), torch.zeros(1))
    )
    assert gap.item() == pytest.approx(0.5 * wide.item(), rel=1e-3)


def test_reverse_gaps_are_closed_form():
    """KL(N(m, v) || N(0, 1)), wide, narrow and far."""
    one = DiagonalGaussian(torch.tensor([[3.0, -1.0, 0.5, 1e4]]), torch.tensor([[1.5, -4.0, -14.0, 0.0]]))
    exact = torch.cat([kl_divergence(DiagonalGaussian(*row), standard_normal(1)) for row in one_dimension_each(one)])
    aggregate = one.expand([10])
    measured = reverse_marginal_gap(aggregate, standard_normal(4))
    torch.testing.assert_close(measured, exact.double(), rtol=1e-5, atol=1e-6)


def one_dimension_each(gaussian: DiagonalGaussian) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(gaussian.mean[:, i : i + 1], gaussian.log_variance[:, i : i + 1]) for i in range(gaussian.event_shape[0])]


def test_no_component_is_cut_off_by_the_grid():
    """Two components that share nothing: the gap is the mean of theirs, less log 2. A grid about the prior sees one."""
    for far, log_variance in ((1e3, 0.0), (1e5, -9.0), (-1e3, -12.0)):
        aggregate = DiagonalGaussian(torch.tensor([[0.0], [far]]), torch.tensor([[0.0], [log_variance]]))
        apart = 0.5 * (far**2 + math.exp(log_variance) - 1 - log_variance)
        measured = reverse_marginal_gap(aggregate, standard_normal(1)).item()
        assert measured == pytest.approx(0.5 * apart - math.log(2), rel=1e-6)


def test_a_thousand_narrow_components_hold_all_of_the_mass():
    aggregate = DiagonalGaussian(torch.randn(1000, 1), torch.full((1000, 1), -18.0))
    codes = aggregate.sample((20,)).flatten(0, 1)
    log_ratio = aggregate.mixture_log_prob(codes) - standard_normal(1).mixture_log_prob(codes)
    value, error = mean_and_standard_error(log_ratio)
    measured = reverse_marginal_gap(aggregate, standard_normal(1)).item()
    assert measured == pytest.approx(value, abs=4 * error + 1e-3)


def test_both_gaps_of_the_learned_prior_to_itself_are_nothing():
    components = DiagonalGaussian(3 * torch.randn(5, 2), torch.randn(5, 2))
    assert reverse_marginal_gap(components, components).abs().max() < 1e-9


def test_what_limits_the_numbers_stands_in_them_and_under_the_table():
    from rich.console import Console

    from latentia.evaluation import evaluate
    from latentia.evaluation.table import evaluation_table

    batch = Batch.collate([[4, 1, 1], [5, 6, 1]])
    result = evaluate(model().eval(), lambda: [batch], words=torch.tensor([3, 3]), samples=2, seed=0)
    assert result["out_of_vocabulary"] == pytest.approx(0.5)
    few, unknown = result["remarks"]
    assert "2 sequences" in few
    assert unknown.startswith("50% of the tokens are outside the vocabulary")
    console = Console(width=300)
    with console.capture() as shown:
        console.print(evaluation_table(result, ""))
    assert f"beware: {unknown}" in " ".join(shown.get().split())
