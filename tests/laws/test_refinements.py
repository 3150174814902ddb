"""Laws of refinements, and that nothing goes around them."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

import latentia
from latentia.data import Columns
from latentia.distributions import DiagonalGaussian, VonMisesFisher
from latentia.encoders import GradientRefinement
from latentia.errors import RecipeError
from latentia.evaluation import importance_weighted_likelihood
from latentia.evaluation.aggregate import aggregate_of
from latentia.functional.schedule import Constant
from latentia.objectives import ELBO
from latentia.objectives.base import sum_of_kl
from latentia.recipes import load_recipe
from latentia.recipes.corpora import Sources
from latentia.recipes.runs import start_run
from latentia.records import Batch
from tests.laws.tables import REFINEMENTS, D, model
from tests.oracles.linear_gaussian import LinearGaussian

SEQUENCES = [[4, 5, 6, 5], [6], [5, 4], [4, 4, 4, 4, 4, 6]]


@pytest.fixture(params=REFINEMENTS)
def vae(request):
    return sensitive(REFINEMENTS[request.param])


def sensitive(refinement):
    """A small model whose decoder listens to its code more than a fresh one does."""
    vae = model(refinement=refinement)
    with torch.no_grad():
        for weight in vae.parameters():
            weight.mul_(3.0)
    return vae


def noisy(vae):
    """Give the decoder every kind of dropout."""
    dropout = vae.decoder.dropout
    dropout.words, dropout.embeddings, dropout.states = 0.5, 0.5, 0.5
    return vae


def test_padding_changes_nothing(vae):
    vae.eval()
    together = vae.infer(Batch.collate(SEQUENCES))
    for row, sequence in enumerate(SEQUENCES):
        alone = vae.infer(Batch.collate([sequence]))
        for ours, theirs in zip(together.parameters, alone.parameters, strict=True):
            torch.testing.assert_close(ours[row], theirs[0], rtol=1e-4, atol=1e-5)


def test_order_of_the_batch_changes_nothing(vae):
    vae.eval()
    forward, backward = vae.infer(Batch.collate(SEQUENCES)), vae.infer(Batch.collate(SEQUENCES[::-1]))
    for ours, theirs in zip(forward.parameters, backward.parameters, strict=True):
        torch.testing.assert_close(ours, theirs.flip(0), rtol=1e-4, atol=1e-5)


def test_the_posterior_of_a_sequence_is_a_function_of_it(vae):
    """With noise that differed from call to call, two chunks of importance weights would be of two posteriors."""
    vae.eval()
    once, again = vae.infer(Batch.collate(SEQUENCES)), vae.infer(Batch.collate(SEQUENCES))
    assert all(torch.equal(*pair) for pair in zip(once.parameters, again.parameters, strict=True))


def test_without_gradients_the_posterior_is_the_same(vae):
    vae.eval()
    posterior = vae.infer(Batch.collate(SEQUENCES))
    with torch.no_grad():
        without = vae.infer(Batch.collate(SEQUENCES))
    # Rounded otherwise: the encoder takes its sums in another order where there are no gradients.
    for ours, theirs in zip(without.parameters, posterior.parameters, strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-4, atol=1e-5)
    assert not any(parameter.requires_grad for parameter in without.parameters)


def test_every_weight_gets_a_gradient(vae):
    ELBO(Constant())(vae(Batch.collate(SEQUENCES)), 0).loss.mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in vae.parameters())


def test_nothing_of_a_refinement_is_in_a_checkpoint(vae):
    assert not [name for name in vae.state_dict() if name.startswith("refinement")]


def test_training_and_evaluation_leave_the_modes_as_they_were(vae):
    vae.train().decoder.dropout.eval()
    before = {name: part.training for name, part in vae.named_modules()}
    vae(Batch.collate(SEQUENCES)).log_likelihood.sum().backward()
    assert {name: part.training for name, part in vae.named_modules()} == before


def test_each_step_of_training_has_noise_of_its_own_for_each_example():
    vae = sensitive(REFINEMENTS["GradientRefinement"])
    posterior = vae.infer(Batch.collate([[4, 5, 6]] * 2))
    assert not torch.allclose(posterior.mean[0], posterior.mean[1])
    assert not torch.allclose(posterior.mean, vae.infer(Batch.collate([[4, 5, 6]] * 2)).mean)


@pytest.mark.parametrize("training", [True, False])
def test_the_steps_see_no_dropout(training):
    """Their noise is that of the codes alone: a decoder that drops words refines as one that does not."""
    refined = []
    for prepare in (noisy, lambda vae: vae):
        torch.manual_seed(0)
        vae = prepare(sensitive(REFINEMENTS["GradientRefinement"])).train(training)
        torch.manual_seed(1)
        posterior = vae.infer(Batch.collate(SEQUENCES))
        refined.append([*posterior.parameters, *torch.autograd.grad(posterior.mean.sum(), vae.decoder.parameters())])
    assert all(torch.equal(*pair) for pair in zip(*refined, strict=True))


def test_the_decoder_learns_through_the_steps_and_the_encoder_too():
    """Detached refined parameters would leave the encoder nothing, and the decoder without its cross term."""
    vae = sensitive(REFINEMENTS["GradientRefinement"])
    posterior = vae.infer(Batch.collate(SEQUENCES))
    gradients = torch.autograd.grad(posterior.mean.sum(), [vae.encoder.posterior.parameters_of.weight,
                                                           vae.decoder.initial.weight])  # fmt: skip
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def elbo(vae, posterior, batch) -> float:
    torch.manual_seed(5)
    run = vae.explain(batch, posterior, 4000)
    return (run.log_likelihood.mean(dim=0) - sum_of_kl(run)).mean().item()


def test_refinement_raises_the_elbo():
    vae = sensitive(lambda: GradientRefinement(D, steps=20, learning_rate=0.1)).eval()
    batch = Batch.collate(SEQUENCES)
    with torch.no_grad():
        assert elbo(vae, vae.infer(batch), batch) > elbo(vae, vae.encoder(batch), batch) + 0.05


def test_everything_measures_the_refined_posterior():
    """Evaluated with the encoder's, the model would be another than the one that was trained."""
    vae = sensitive(lambda: GradientRefinement(D, steps=20, learning_rate=0.1)).eval()
    batch = Batch.collate(SEQUENCES)
    with torch.no_grad():
        refined = vae.infer(batch)
    kl = importance_weighted_likelihood(vae, [batch], 3).kl
    assert torch.equal(kl, sum_of_kl(vae.explain(batch, refined)).detach())
    assert torch.equal(aggregate_of(vae, [batch]).mean, refined.mean)
    with torch.no_grad():
        assert torch.equal(vae(batch).latents[0].posterior.mean, refined.mean)
        assert torch.equal(vae.draw(batch).posterior.mean, refined.mean)
    assert not torch.allclose(vae.encoder(batch).mean, refined.mean, atol=1e-2)


def test_no_room_but_that_of_the_models_reads_an_encoder():
    sources = Path(latentia.__file__).parent.rglob("*.py")
    assert {path.parent.name for path in sources if re.search(r"\bencoder\(", path.read_text())} <= {"models"}


def test_the_loop_passes_the_weight_of_the_step_and_validation_that_of_the_bound(tmp_path, monkeypatch):
    seen: list[tuple[bool, float]] = []

    def watch(self, posterior, prior, decoder, batch, kl_weight=1.0):
        seen.append((self.training, kl_weight))
        return posterior

    monkeypatch.setattr(GradientRefinement, "forward", watch)
    (tmp_path / "texts.txt").write_text("".join(f"a b c{n % 3} d{n % 5}\n" for n in range(40)))
    settings = [
        ("training.max_steps", 3),
        ("training.batch_size", 8),
        ("objective.weight", {"kind": "Linear", "steps": 4}),
    ]
    recipe = load_recipe("semi-amortised").with_settings(settings)
    start_run(Sources([str(tmp_path / "texts.txt")], [], Columns()), recipe, tmp_path / "run", 1, Console(quiet=True))
    assert [weight for training, weight in seen if training] == [0.0, 0.25, 0.5]
    assert {weight for training, weight in seen if not training} == {1.0}


def test_the_weight_of_the_kl_is_the_objectives_while_training_and_one_elsewhere():
    vae = sensitive(lambda: GradientRefinement(D, steps=20, learning_rate=0.1)).eval()
    batch = Batch.collate(SEQUENCES)
    with torch.no_grad():
        light, full, unsaid = (sum_of_kl(vae(batch, **given)) for given in ({"kl_weight": 0.1}, {"kl_weight": 1.0}, {}))
    assert (light > full).all()
    assert torch.equal(full, unsaid)


def test_more_noise_than_is_reasonable_is_refused_before_it_is_drawn(monkeypatch):
    monkeypatch.setattr(torch, "randn", None)
    with pytest.raises(RecipeError, match=r"10,000 steps of 10,000 draws of 3 dimensions needs more than 16,777,216"):
        GradientRefinement(latent_dim=3, steps=10_000, draws=10_000)


@pytest.mark.parametrize("setting", ["steps", "draws"])
def test_a_recipe_cannot_ask_for_steps_without_end(setting):
    with pytest.raises(RecipeError, match=setting):
        load_recipe("semi-amortised").with_settings([(f"model.refinement.{setting}", 2 * 10**8)])


def test_directions_cannot_be_refined():
    posterior = VonMisesFisher(torch.eye(D), torch.ones(D))
    vae = model()
    with pytest.raises(RecipeError, match="Gaussian"):
        GradientRefinement(D)(posterior, vae.prior(), vae.decoder, Batch.collate([[4]] * D))


class LinearDecoder(nn.Module):
    """The decoder of the linear-Gaussian oracle."""

    def __init__(self, oracle: LinearGaussian) -> None:
        super().__init__()
        self.oracle, self.weight = oracle, nn.Parameter(oracle.weight)

    def forward(self, codes: Tensor) -> Distribution:
        oracle, located = self.oracle, Independent(Normal(codes @ self.weight.T, self.oracle.noise), 1)

        class Data:
            def log_prob(self, batch: Batch) -> Tensor:
                return located.log_prob(oracle.data)

        return Data()


@pytest.mark.parametrize("training", [True, False])
def test_refinement_reaches_the_exact_posterior_of_a_linear_decoder(training):
    oracle = LinearGaussian()
    exact, rows = oracle.posterior(), len(oracle.data)
    refinement = GradientRefinement(2, steps=100, learning_rate=0.04, draws=1024, clip_norm=0.0).train(training)
    start = DiagonalGaussian(torch.randn(rows, 2), torch.full((rows, 2), -1.0))
    prior = DiagonalGaussian(torch.zeros(2), torch.zeros(2))
    with torch.no_grad():
        refined = refinement(start, prior, LinearDecoder(oracle), Batch.collate([[4]] * rows))
    torch.testing.assert_close(refined.mean, exact.mean, rtol=0, atol=0.1 * exact.stddev.max().item())
    torch.testing.assert_close(refined.log_variance, exact.log_variance, rtol=0, atol=math.log(1.05))
