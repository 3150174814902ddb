"""Laws of what is hidden from the decoder."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from latentia.auxiliaries import AdversarialMask, WordMask
from latentia.functional.schedule import Constant
from latentia.models import TextVAE
from latentia.objectives import ELBO
from latentia.objectives.base import sum_of_kl
from latentia.recipes import load_recipe
from latentia.records import Batch
from latentia.training.optimizers import groups_of
from tests.laws.tables import MASKS, V, model

SEQUENCES = [[4, 5, 6, 5, 4, 6, 6], [6], [5, 4, 4]]


@pytest.fixture(params=MASKS)
def mask(request):
    return MASKS[request.param]()


def test_everything_is_seen_in_evaluation(mask):
    visible, costs = mask.eval()(Batch.collate(SEQUENCES))
    assert (visible == 1).all()
    assert costs == {}


def test_the_start_is_always_seen(mask):
    visible, _ = mask(Batch.collate(SEQUENCES))
    assert (visible[:, 0] == 1).all()
    assert ((visible >= 0) & (visible <= 1)).all()


@pytest.mark.parametrize("selection", ["soft", "hard"])
def test_the_share_seen_is_that_of_true_lengths(selection):
    batch = Batch.collate(SEQUENCES)
    visible, _ = AdversarialMask(V, 0.4, selection=selection, features=8)(batch)
    expected = ((batch.lengths - 1) * 0.6).round()
    torch.testing.assert_close((visible * batch.mask).sum(dim=1) - 1, expected, atol=1e-4, rtol=0)
    assert (visible[~batch.mask] == 0).all()  # padding that took part would be seen in the place of words


def test_the_penalty_counts_no_padding():
    mask, together = AdversarialMask(V, 0.4, features=8), Batch.collate(SEQUENCES)
    alone = torch.cat([mask(Batch.collate([sequence]))[1]["mask"] for sequence in SEQUENCES])
    torch.testing.assert_close(mask(together)[1]["mask"], alone)


def test_the_penalty_is_the_kl_of_the_scores_from_scores_without_a_mean():
    mask = AdversarialMask(V, 0.4, strength=3.0, deviation=0.5, features=8)
    torch.nn.init.constant_(mask.score.weight, 0.0)
    torch.nn.init.constant_(mask.score.bias, 0.7)
    of_each = kl_divergence(Normal(0.7, 0.5), Normal(0.0, 0.5)).item()
    batch = Batch.collate(SEQUENCES)
    expected = 3.0 * of_each * (batch.lengths - 1)
    torch.testing.assert_close(mask(batch)[1]["mask"], expected)


class OnlyTheStart(WordMask):
    """Hides every word."""

    def forward(self, batch):
        return torch.eye(batch.tokens.shape[1])[:1], {}


def test_a_word_that_is_hidden_is_still_to_be_predicted():
    """Mask the cost instead of the input, and what is hidden costs nothing."""
    vae, batch = model(), Batch.collate(SEQUENCES)
    vae.mask = OnlyTheStart()
    run = vae(batch)
    scores = vae.decoder(run.latents[0].sample).token_log_prob(replace(batch, visibility=vae.mask(batch)[0]))
    assert (scores[0][batch.mask] < 0).all()
    torch.testing.assert_close(run.log_likelihood, scores.sum(dim=-1))


@pytest.mark.parametrize("selection", ["soft", "hard"])
def test_every_weight_gets_a_gradient(selection):
    vae = model()
    vae.mask = AdversarialMask(V, 0.4, selection=selection, features=8)
    ELBO(Constant())(vae(Batch.collate([[4, 5, 6, 5, 4, 6, 6]] * 4)), 0).loss.mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in vae.mask.parameters())


def gradients(strength: float, reverse: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradient of the mask's last bias-free weights, and of the decoder's, on the same noise."""
    torch.manual_seed(0)
    vae = model()
    vae.mask = AdversarialMask(V, 0.4, strength=strength, features=8)
    if not reverse:
        monkeypatch.setattr("latentia.auxiliaries.masks.reversed_gradient", lambda values: values)
    torch.manual_seed(1)
    ELBO(Constant())(vae(Batch.collate([[4, 5, 6, 5, 4, 6, 6]] * 4)), 0).loss.mean().backward()
    return vae.mask.score.weight.grad, vae.decoder.initial.weight.grad


def test_the_reversal_turns_the_gradient_of_the_mask_and_of_nothing_else(monkeypatch):
    ours, decoder = gradients(0.0, True, monkeypatch)
    penalty, _ = gradients(1.0, True, monkeypatch)
    plain, decoder_without = gradients(0.0, False, monkeypatch)
    plain_penalty, _ = gradients(1.0, False, monkeypatch)
    torch.testing.assert_close(ours, -plain)
    torch.testing.assert_close(decoder, decoder_without)
    torch.testing.assert_close(penalty - ours, plain_penalty - plain)


def test_a_strong_penalty_hides_uniformly():
    """With the penalty alone the scores have mean 0: every place is hidden as often."""
    mask = AdversarialMask(V, 0.5, selection="hard", features=8)
    optimizer = torch.optim.Adam(mask.parameters(), 1e-2)
    batch = Batch.collate([[4, 5, 6, 5, 4, 6, 5, 4]] * 500)
    for _ in range(100):
        _, costs = mask(batch)
        optimizer.zero_grad()
        costs["mask"].mean().backward()
        optimizer.step()
    visible, _ = mask(batch)
    assert (visible[:, 1:].mean(dim=0) - 0.5).abs().max() < 4 * (0.25 / 500) ** 0.5


def telling(rows: int) -> Batch:
    """The second word tells the third to the sixth; the first tells nothing."""
    words = torch.randint(4, V, (rows, 2)).tolist()
    return Batch.collate([[first, second, second, second, second, second] for first, second in words])


def trained(strength: float, steps: int, learning_rate: float) -> TextVAE:
    """Train on texts of which one word tells four, with the recipe's mask over one word in six."""
    settings = [("model.mask.rate", 1 / 6), ("model.mask.strength", strength)]
    vae = model()
    vae.mask = load_recipe("adversarial-dropout-hard").with_settings(settings).model(V).mask
    optimizer = torch.optim.Adam([{**group, "lr": learning_rate * group["pace"]} for group in groups_of(vae)])
    for _ in range(steps):
        optimizer.zero_grad()
        ELBO(Constant())(vae(telling(64)), 0).loss.mean().backward()
        optimizer.step()
    return vae


OWN = load_recipe("adversarial-dropout-hard").model(V).mask.strength


def test_the_mask_learns_to_hide_what_tells_the_rest():
    """Hiding the second word costs a decoder that reads most."""
    mask = trained(OWN, 200, 3e-2).mask
    with torch.no_grad():
        hidden = 1 - mask(telling(1000))[0].mean(dim=0)
    chance = 1 / 6 + 5 * (5 / 36 / 1000) ** 0.5
    assert hidden.argmax() == 2
    assert hidden[2] > chance


def test_what_is_hidden_on_purpose_goes_into_the_code():
    """Of words hidden at random, as many, the decoder misses too little for the code to carry them."""
    kl = [sum_of_kl(trained(strength, 400, 1e-2).eval()(telling(500))).mean().item() for strength in (OWN, 1e6)]
    assert kl[0] > 0.4
    assert kl[0] > 1.5 * kl[1]
