"""Laws of models."""

from __future__ import annotations

import math

import pytest
import torch

from latentia.auxiliaries import FittedPrior
from latentia.decoders import LSTMDecoder
from latentia.errors import InputError, RecipeError
from latentia.evaluation import importance_weighted_likelihood
from latentia.evaluation.likelihood import importance_weights
from latentia.functional.autoregression import committed_rate
from latentia.functional.schedule import Constant
from latentia.models import SequentialTextVAE
from latentia.objectives import ELBO, DensityGap, FreeBitsTotal, MaximumMeanDiscrepancy
from latentia.objectives.base import sum_of_kl
from latentia.records import Batch
from latentia.training import AggressiveInference, Joint
from tests.laws.tables import MODELS, D, sequential_model

SEQUENCES = [[4, 5, 6, 5], [6], [5, 4]]


@pytest.fixture(params=MODELS)
def vae(request):
    return MODELS[request.param]().eval()


def test_a_pass_has_a_cost_a_sample_and_sequence(vae):
    run = vae(Batch.collate(SEQUENCES), 4)
    (latent,) = run.latents
    for value in (run.log_likelihood, latent.posterior.log_prob(latent.sample), latent.prior.log_prob(latent.sample)):
        assert value.shape == (4, 3)
    assert latent.sample.shape[:2] == (4, 3)


def test_a_pass_is_inference_and_then_explanation(vae):
    """Evaluation infers once and explains in chunks; auxiliary updates draw and explain nothing."""
    batch, steps = Batch.collate(SEQUENCES), []
    for take in (
        lambda: vae(batch, 2, kl_weight=0.5).latents[0],
        lambda: vae.explain(batch, vae.infer(batch, 0.5), 2).latents[0],
        lambda: vae.draw(batch, 2, kl_weight=0.5),
    ):
        torch.manual_seed(3)
        steps.append(take())
    assert all(torch.equal(steps[0].sample, latent.sample) for latent in steps)
    assert all(torch.equal(steps[0].posterior.mean, latent.posterior.mean) for latent in steps)


def test_every_weight_gets_a_finite_gradient(vae):
    terms = ELBO(Constant())(vae(Batch.collate(SEQUENCES), 2), 0)
    (terms.loss + terms.apart).mean().backward()
    for name, weight in vae.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().sum() > 0, name


def test_padding_and_order_of_the_batch_change_nothing(vae):
    together = sum_of_kl(vae(Batch.collate(SEQUENCES)))
    torch.testing.assert_close(together, sum_of_kl(vae(Batch.collate(SEQUENCES[::-1]))).flip(0))
    for row, sequence in enumerate(SEQUENCES):
        torch.testing.assert_close(together[row], sum_of_kl(vae(Batch.collate([sequence])))[0])


def test_one_sample_is_the_elbo_and_more_are_tighter(vae):
    batch = Batch.collate(SEQUENCES)
    run = vae(batch, 20_000)
    bound = run.log_likelihood.mean(dim=0) - sum_of_kl(run)
    weights = importance_weights(run)
    error = weights.std(dim=0) / math.sqrt(20_000)
    assert ((weights.mean(dim=0) - bound).abs() < 4 * error + 1e-5).all()
    ten = weights.view(-1, 10, 3).logsumexp(dim=1) - math.log(10)
    assert (ten.mean(dim=0) >= weights.mean(dim=0)).all()


def test_codes_have_the_shape_that_the_model_tells(vae):
    batch = Batch.collate(SEQUENCES)
    assert vae.centres(batch, 7).shape == (3, *vae.code_shape(7))
    assert vae.sample(5, 7).shape == (5, *vae.code_shape(7))


def test_the_evidence_of_a_code_a_token_is_reached_by_quadrature():
    """Two tokens, one channel: the plane of both steps is integrated, and a third step would change nothing."""
    vae = sequential_model(dimensions=1).eval()
    for weight in vae.decoder.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    batch = Batch.collate([[4], [5]])
    points = torch.linspace(-6, 6, 121)
    grid = torch.cartesian_prod(points, points)[:, None, :, None].expand(-1, 2, -1, -1)
    with torch.no_grad():
        joint = vae.decoder(grid).log_prob(batch) + vae.prior(batch.mask).log_prob(grid)
    exact = -(joint.logsumexp(dim=0) + 2 * math.log(0.1))
    measured = importance_weighted_likelihood(vae, [batch], 30_000)
    torch.testing.assert_close(measured.nll_iw, exact, atol=0.02, rtol=0)
    assert (-measured.elbo > exact - 0.01).all()


def test_the_kl_of_training_is_never_below_the_committed_rate():
    vae, batch = sequential_model(), Batch.collate([*SEQUENCES, [4] * 9])
    optimizer = torch.optim.Adam(vae.parameters(), 3e-2)
    least = D * committed_rate(0.7, batch.lengths)
    for _ in range(25):
        kl = sum_of_kl(vae(batch))
        assert (kl >= least - 1e-4).all()
        optimizer.zero_grad()
        kl.sum().backward()
        optimizer.step()
    assert (kl < 1.5 * least + 0.5).all()


def test_the_fitted_prior_follows_the_codes_and_changes_no_bound():
    vae, batch = sequential_model(), Batch.collate(SEQUENCES * 8)
    optimizer = torch.optim.Adam(vae.auxiliary.parameters(), 1e-2)
    bounds, costs = [], []
    for _ in range(30):
        torch.manual_seed(1)
        run = vae(batch)
        terms = ELBO(Constant())(run, 0)
        bounds.append(terms.bound.mean().item())
        costs.append(terms.parts["fitted_prior"].mean())
        optimizer.zero_grad()
        costs[-1].backward()
        optimizer.step()
    assert costs[-1] < costs[0] - 0.5
    assert len(set(bounds)) == 1
    torch.testing.assert_close(terms.loss, terms.bound)
    torch.testing.assert_close(terms.apart.mean(), costs[-1])
    assert all(weight.grad is None for weight in vae.encoder.parameters())


def test_the_fitted_prior_learns_an_autoregression_and_draws_from_it():
    fitted, prior = FittedPrior(D, features=8), sequential_model(correlation=0.8).prior
    mask = torch.ones(64, 6, dtype=torch.bool)
    optimizer = torch.optim.Adam(fitted.parameters(), 2e-2)
    for _ in range(100):
        cost = -fitted.log_prob(prior(mask).sample((1,)), mask).mean()
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    # Independent steps would cost 25.5 nats, the autoregression costs 17.9.
    cost = -fitted.log_prob(prior(mask).sample((30,)), mask).mean()
    assert cost.item() == pytest.approx(prior(mask).entropy()[0].item(), abs=1.0)
    draws = fitted.sample(2000, 6)
    assert draws.std(dim=0).tolist() == [pytest.approx([1.0] * D, abs=0.2)] * 6
    assert (draws[:, 1:] * draws[:, :-1]).mean().item() == pytest.approx(0.8, abs=0.15)


def test_the_fitted_prior_sees_no_padding():
    fitted, batch = FittedPrior(D), Batch.collate(SEQUENCES)
    codes = torch.randn(2, *batch.mask.shape, D)
    filled = codes.masked_fill(~batch.mask[..., None], 50.0)
    assert torch.equal(fitted.log_prob(codes, batch.mask), fitted.log_prob(filled, batch.mask))


@pytest.mark.parametrize("objective", [DensityGap, MaximumMeanDiscrepancy])
def test_objectives_of_the_aggregate_refuse_codes_of_one_a_step(objective):
    with pytest.raises(RecipeError, match=r"one continuous code a sequence.*ELBO"):
        objective(Constant())(sequential_model()(Batch.collate(SEQUENCES)), 0)


def test_free_bits_of_a_whole_code_take_codes_of_one_a_step():
    run = sequential_model()(Batch.collate(SEQUENCES))
    assert (FreeBitsTotal(Constant(), nats=50.0)(run, 0).parts["free_bits"] == 50.0).all()


def test_aggressive_inference_refuses_a_model_without_information_to_watch():
    with pytest.raises(RecipeError, match="Joint"):
        AggressiveInference().begin(sequential_model())
    Joint().begin(sequential_model())


def test_a_decoder_of_whole_codes_is_refused(monkeypatch):
    monkeypatch.setattr(LSTMDecoder, "reads_steps", False)
    with pytest.raises(RecipeError, match="one code a sequence"):
        sequential_model()


def test_tables_of_different_size_cannot_be_shared():
    vae = sequential_model()
    parts = {name: getattr(vae, name) for name in ("encoder", "decoder", "prior", "mask")}
    parts["fitted_prior"] = vae.auxiliary
    shared = SequentialTextVAE(vae.vocabulary_size, **parts, latent_dim=D, share_embedding=True)
    assert shared.encoder.embedding is shared.decoder.embedding
    vae.encoder.embedding = torch.nn.Embedding(vae.vocabulary_size, 99)
    with pytest.raises(RecipeError, match="cannot be shared"):
        SequentialTextVAE(vae.vocabulary_size, **parts, latent_dim=D, share_embedding=True)


def test_there_is_no_path_between_codes_of_one_a_step():
    start, end = sequential_model().sample(2, 5)
    with pytest.raises(InputError, match="no path"):
        sequential_model().path(start, end, torch.linspace(0, 1, 3))
