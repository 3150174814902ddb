"""Laws of auxiliary networks."""

from __future__ import annotations

import pytest
import torch

from latentia.auxiliaries import Adversary, BagOfWords, DualCritic
from latentia.distributions import DiagonalGaussian
from latentia.functional.schedule import Constant
from latentia.models import TextVAE
from latentia.objectives import ELBO, DualEstimate
from latentia.recipes import load_recipe
from latentia.records import Batch, Latent
from tests.laws.tables import AUXILIARIES, D, V, model

SEQUENCES = [[4, 5, 6, 5], [6], [5, 4]]


def latent_of(codes: torch.Tensor) -> Latent:
    """These codes, from posteriors that no auxiliary network asks for more than their centre."""
    zeros = torch.zeros(D)
    return Latent(
        "z", codes, DiagonalGaussian(codes[0].detach(), zeros.expand_as(codes[0])), DiagonalGaussian(zeros, zeros)
    )


@pytest.fixture(params=AUXILIARIES)
def vae(request) -> TextVAE:
    vae = model()
    vae.auxiliary = AUXILIARIES[request.param]()
    return vae


def test_the_loss_has_the_costs_and_the_bound_does_not(vae):
    run = vae(Batch.collate(SEQUENCES), 2)
    torch.manual_seed(0)
    costs = run.auxiliary()
    torch.manual_seed(0)
    terms = ELBO(Constant())(run, 0)
    assert all(cost.shape == (2, 3) for cost in costs.values())
    added = terms.loss + terms.apart - terms.bound
    torch.testing.assert_close(added, sum(costs.values(), start=torch.zeros(2, 3)))
    assert set(vae.auxiliary.own_costs) <= set(costs)


def test_the_costs_escape_the_objectives_weight(vae):
    """An adversary whose cost were annealed with the KL, or multiplied by a beta of 0, would leave an autoencoder."""
    run = vae(Batch.collate(SEQUENCES), 2)
    torch.manual_seed(0)
    costs = run.auxiliary()
    torch.manual_seed(0)
    terms = ELBO(Constant(0.3), beta=0.0)(run, 0)
    expected = sum(costs.values(), start=-run.log_likelihood)
    torch.testing.assert_close(terms.loss + terms.apart, expected)


def test_every_weight_gets_a_gradient(vae):
    terms = ELBO(Constant())(vae(Batch.collate(SEQUENCES)), 0)
    (terms.loss + terms.apart).mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in vae.auxiliary.parameters())


def test_the_bag_of_words_scores_each_token_but_no_padding():
    words = BagOfWords(V, D)
    codes, batch = torch.randn(1, 3, D), Batch.collate(SEQUENCES)
    cost = words(latent_of(codes), batch)["bag_of_words"][0]
    for row, sequence in enumerate(SEQUENCES):
        log_probability = words.words(codes[0, row]).log_softmax(-1)
        torch.testing.assert_close(cost[row], -log_probability[torch.tensor([*sequence, 3])].sum())


def test_the_order_of_words_does_not_matter_to_the_bag():
    words, codes = BagOfWords(V, D), torch.randn(1, 1, D)
    one, other = (words(latent_of(codes), Batch.collate([text]))["bag_of_words"] for text in ([4, 5, 6], [6, 4, 5]))
    torch.testing.assert_close(one, other)


def test_each_side_of_the_adversary_trains_itself_alone():
    adversary, codes = Adversary(D, features=8), torch.randn(1, 20, D, requires_grad=True)
    costs = adversary(latent_of(codes), Batch.collate([[4]] * 20))
    (of_codes,) = torch.autograd.grad(costs["discriminator"].sum(), codes, retain_graph=True, allow_unused=True)
    assert of_codes is None
    of_weights = torch.autograd.grad(
        costs["deception"].sum(), list(adversary.parameters()), retain_graph=True, allow_unused=True
    )
    assert all(gradient is None for gradient in of_weights)
    assert torch.autograd.grad(costs["deception"].sum(), codes)[0].abs().sum() > 0


def test_the_adversary_cannot_tell_the_prior_from_itself():
    """At the optimum both of its costs are log 2."""
    adversary = Adversary(D, features=16)
    optimizer = torch.optim.Adam(adversary.parameters(), 1e-2)
    batch = Batch.collate([[4]] * 256)
    for _ in range(60):
        cost = adversary(latent_of(torch.randn(1, 256, D)), batch)["discriminator"].mean()
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    assert cost.item() == pytest.approx(2 * 0.6931, abs=0.05)


def test_the_adversary_is_as_strong_as_codes_need_to_follow():
    assert Adversary(D).strength >= 10
    assert load_recipe("aae").settings["model"]["auxiliary"]["strength"] >= 10


def test_the_strength_weighs_the_deception_and_not_the_discriminator():
    adversary, latent, batch = Adversary(D, features=8), latent_of(torch.randn(1, 20, D)), Batch.collate([[4]] * 20)
    found = []
    for adversary.strength in (1.0, 10.0):
        torch.manual_seed(2)
        found.append(adversary(latent, batch))
    torch.testing.assert_close(found[1]["deception"], 10 * found[0]["deception"])
    torch.testing.assert_close(found[1]["discriminator"], found[0]["discriminator"])


def test_the_adversary_draws_codes_to_the_prior():
    adversary = Adversary(D, features=32)
    mean = torch.full((D,), 2.0, requires_grad=True)
    optimizer = torch.optim.Adam([*adversary.parameters(), mean], 1e-2)
    batch = Batch.collate([[4]] * 128)
    for _ in range(600):
        costs = adversary(latent_of(mean + torch.randn(1, 128, D)), batch)
        optimizer.zero_grad()
        sum(cost.mean() for cost in costs.values()).backward()
        optimizer.step()
    assert mean.abs().max().item() < 0.5


def test_each_side_of_the_critic_trains_itself_alone():
    critic, codes = DualCritic(D, features=8), torch.randn(1, 20, D, requires_grad=True)
    costs = critic(latent_of(codes), Batch.collate([[4]] * 20))
    (of_codes,) = torch.autograd.grad(costs["critic"].sum(), codes, retain_graph=True, allow_unused=True)
    assert of_codes is None
    of_weights = torch.autograd.grad(
        costs["dual_kl"].sum(), list(critic.parameters()), retain_graph=True, allow_unused=True
    )
    assert all(gradient is None for gradient in of_weights)
    assert torch.autograd.grad(costs["dual_kl"].sum(), codes)[0].abs().sum() > 0


@pytest.mark.parametrize("of_each", [True, False])
def test_the_trained_critic_comes_close_to_the_kl_from_below(of_each):
    """Of each posterior, or of their aggregate, for four Gaussians far apart."""
    centres = 1.5 * torch.tensor([[1.0, 0, 0], [-1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    posterior = DiagonalGaussian(centres.repeat(128, 1), torch.full((512, D), -1.0))
    prior, batch = DiagonalGaussian(torch.zeros(D), torch.zeros(D)), Batch.collate([[4]] * 512)
    critic = DualCritic(D, of_each, features=64)
    optimizer = torch.optim.Adam(critic.parameters(), 3e-3)
    for _ in range(400):
        cost = critic(Latent("z", posterior.rsample((1,)), posterior, prior), batch)["critic"].mean()
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    with torch.no_grad():
        many = Latent("z", posterior.rsample((200,)), posterior, prior)
        estimate = critic(many, batch)["dual_kl"].mean().item()
    draws = posterior.sample((20,))
    own = posterior.log_prob(draws) if of_each else posterior.expand((512,)).mixture_log_prob(draws.flatten(0, 1))
    exact = (own.flatten().double() - prior.log_prob(draws).flatten().double()).mean().item()
    assert exact * 0.95 < estimate < exact * 1.02


def test_an_untrained_critic_makes_no_bound():
    """Reconstruction plus estimate lies far below reconstruction plus KL: the published numbers of iVAE are such."""
    posterior = DiagonalGaussian(torch.full((64, D), 3.0), torch.full((64, D), -4.0))
    prior = DiagonalGaussian(torch.zeros(D), torch.zeros(D))
    latent = Latent("z", posterior.rsample((1,)), posterior, prior)
    estimate = DualCritic(D)(latent, Batch.collate([[4]] * 64))["dual_kl"].mean()
    assert estimate < 0.2 * torch.distributions.kl_divergence(posterior, prior).mean()


def test_what_trains_an_auxiliary_network_alone_gives_the_model_no_gradient():
    for name in ("Adversary", "DualCritic"):
        vae = model()
        vae.auxiliary = AUXILIARIES[name]()
        terms = ELBO(Constant())(vae(Batch.collate(SEQUENCES)), 0)
        terms.apart.mean().backward()
        moved = {part.split(".")[0] for part, weight in vae.named_parameters() if weight.grad is not None}
        assert moved == {"auxiliary"}


def test_the_loss_of_an_implicit_posterior_rises_with_its_estimate():
    """The critic's own cost is the estimate with the other sign: together they would leave the reconstruction."""
    vae = model()
    vae.auxiliary = DualCritic(D, features=8)
    run = vae(Batch.collate(SEQUENCES))
    terms = DualEstimate(Constant())(run, 0)
    torch.testing.assert_close(terms.loss, -run.log_likelihood + terms.parts["dual_kl"])


@pytest.mark.parametrize("level", [0.0, 19.0, 25.0, 200.0])
def test_the_critic_keeps_its_gradients_far_beyond_any_divergence(level):
    critic, codes = DualCritic(D, features=8), torch.randn(1, 5, D, requires_grad=True)
    critic.critic[-1].bias.data.fill_(level)
    costs = critic(latent_of(codes), Batch.collate([[4]] * 5))
    (of_codes,) = torch.autograd.grad(costs["dual_kl"].sum(), codes, retain_graph=True)
    of_weights = torch.autograd.grad(costs["critic"].sum(), critic.critic[-1].weight)[0]
    for gradient in (of_codes, of_weights):
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


def test_a_critic_says_which_divergence_it_estimates():
    assert DualCritic(D).estimated == "KL(q(z|x) || p(z))"
    assert DualCritic(D, of_each=False).estimated == "KL(q(z) || p(z))"
