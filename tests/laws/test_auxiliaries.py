"""Laws of auxiliary networks."""

from __future__ import annotations

import pytest
import torch

from latentia.auxiliaries import Adversary, BagOfWords
from latentia.distributions import DiagonalGaussian
from latentia.functional.schedule import Constant
from latentia.models import TextVAE
from latentia.objectives import ELBO
from latentia.records import Batch
from tests.laws.tables import AUXILIARIES, D, V, model

SEQUENCES = [[4, 5, 6, 5], [6], [5, 4]]


def prior() -> DiagonalGaussian:
    return DiagonalGaussian(torch.zeros(D), torch.zeros(D))


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
    torch.testing.assert_close(terms.loss - terms.bound, sum(costs.values(), start=torch.zeros(2, 3)))


def test_every_weight_gets_a_gradient(vae):
    ELBO(Constant())(vae(Batch.collate(SEQUENCES)), 0).loss.mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in vae.auxiliary.parameters())


def test_the_bag_of_words_scores_each_token_but_no_padding():
    words = BagOfWords(V, D)
    codes, batch = torch.randn(1, 3, D), Batch.collate(SEQUENCES)
    cost = words(codes, prior(), batch)["bag_of_words"][0]
    for row, sequence in enumerate(SEQUENCES):
        log_probability = words.words(codes[0, row]).log_softmax(-1)
        torch.testing.assert_close(cost[row], -log_probability[torch.tensor([*sequence, 3])].sum())


def test_the_order_of_words_does_not_matter_to_the_bag():
    words, codes = BagOfWords(V, D), torch.randn(1, 1, D)
    one, other = (words(codes, prior(), Batch.collate([text]))["bag_of_words"] for text in ([4, 5, 6], [6, 4, 5]))
    torch.testing.assert_close(one, other)


def test_each_side_of_the_adversary_trains_itself_alone():
    adversary, codes = Adversary(D, features=8), torch.randn(1, 20, D, requires_grad=True)
    costs = adversary(codes, prior(), Batch.collate([[4]] * 20))
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
        cost = adversary(torch.randn(1, 256, D), prior(), batch)["discriminator"].mean()
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    assert cost.item() == pytest.approx(2 * 0.6931, abs=0.05)


def test_the_adversary_draws_codes_to_the_prior():
    adversary = Adversary(D, features=32)
    mean = torch.full((D,), 2.0, requires_grad=True)
    optimizer = torch.optim.Adam([*adversary.parameters(), mean], 1e-2)
    batch = Batch.collate([[4]] * 128)
    for _ in range(600):
        costs = adversary(mean + torch.randn(1, 128, D), prior(), batch)
        optimizer.zero_grad()
        sum(cost.mean() for cost in costs.values()).backward()
        optimizer.step()
    assert mean.abs().max().item() < 0.5
