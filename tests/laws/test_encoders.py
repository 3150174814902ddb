"""Laws of recognition networks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.distributions import kl_divergence

from latentia.distributions import DiagonalGaussian, HypersphericalUniform, information_of_each, kl_per_dimension
from latentia.encoders import lstm
from latentia.errors import RecipeError
from latentia.evaluation import active_units
from latentia.nn import (
    AbsoluteMaxPooling,
    BatchNormalisedHead,
    CommittedRateHead,
    DirectionalHead,
    LastState,
    MaxPooling,
    MeanPooling,
    MomentMatchedHead,
    SequenceDropout,
)
from latentia.nn.threads import on_threads
from latentia.records import Batch
from latentia.shapes import EOS, PAD
from tests.laws.tables import ENCODERS, NOISES_OF_SEQUENCES, POOLINGS, STEPWISE_ENCODERS, D, H

SEQUENCES = [[4, 5, 6, 5], [6], [5, 4], [4, 4, 4, 4, 4, 6]]


@pytest.fixture(params=ENCODERS)
def encoder(request):
    return ENCODERS[request.param]()


def test_padding_changes_nothing(encoder):
    encoder.eval()
    together = encoder(Batch.collate(SEQUENCES))
    for row, sequence in enumerate(SEQUENCES):
        alone = encoder(Batch.collate([sequence]))
        for ours, theirs in zip(together.parameters, alone.parameters, strict=True):
            torch.testing.assert_close(ours[row], theirs[0])


def test_order_of_the_batch_changes_nothing(encoder):
    encoder.eval()
    forward, backward = encoder(Batch.collate(SEQUENCES)), encoder(Batch.collate(SEQUENCES[::-1]))
    for ours, theirs in zip(forward.parameters, backward.parameters, strict=True):
        torch.testing.assert_close(ours, theirs.flip(0))


@pytest.mark.parametrize("threads", [1, 2])
def test_without_gradients_the_posteriors_are_the_same(encoder, threads, monkeypatch):
    """They are worked out otherwise: in blocks of like length, each different token once, on threads."""
    monkeypatch.setattr(lstm, "SEQUENCES_AT_A_TIME", 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    encoder.eval()
    known = encoder(Batch.collate(SEQUENCES))
    with torch.no_grad():
        found = encoder(Batch.collate(SEQUENCES))
    for ours, theirs in zip(found.parameters, known.parameters, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_threads_are_given_back():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    seen = []
    on_threads(lambda part: seen.append((torch.get_num_threads(), torch.is_grad_enabled())), [torch.ones(1)] * 3)
    assert seen == [(1, False)] * 3
    assert torch.get_num_threads() == 2
    with pytest.raises(ZeroDivisionError):
        on_threads(lambda part: 1 // 0, [torch.ones(1)] * 3)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)


def test_every_parameter_gets_a_gradient(encoder):
    posterior = encoder(Batch.collate(SEQUENCES))
    location, *_ = posterior.parameters
    (location.pow(3).sum() + posterior.log_prob(torch.ones(D) / D**0.5).sum()).backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in encoder.parameters())


def test_batch_normalised_means_have_the_promised_second_moment():
    head = BatchNormalisedHead(H, D, gamma=0.7)
    torch.nn.init.normal_(head.shift)
    posterior = head(torch.randn(500, H))
    moment = 0.49 + head.shift.square()
    torch.testing.assert_close(posterior.mean.square().mean(dim=0), moment, rtol=0, atol=1e-4)
    kl = kl_per_dimension(posterior, DiagonalGaussian(torch.zeros(D), torch.zeros(D)))
    assert (kl.mean(dim=0) >= 0.5 * moment - 1e-4).all()


def test_batch_normalisation_has_a_fixed_scale_and_leaves_the_variances_alone():
    head = BatchNormalisedHead(H, D)
    assert {name.split(".")[0] for name, _ in head.named_parameters()} == {"parameters_of", "shift"}
    features = torch.randn(5, H)
    raw = head.parameters_of(features)[:, D:]
    torch.testing.assert_close(head(features).log_variance, raw)


@pytest.mark.parametrize("batches", [1, 3, 30])
def test_batch_normalisation_holds_from_the_first_steps_for_features_that_hardly_differ(batches):
    """As those of a fresh encoder do: statistics that start at 0 and 1 would shrink every code to nothing."""
    head = BatchNormalisedHead(H, D, gamma=0.6)
    features = 0.1 + 3e-3 * torch.randn(500, H)
    for _ in range(batches):
        trained = head(features).mean
    torch.testing.assert_close(trained.std(dim=0), torch.full((D,), 0.6), rtol=0.02, atol=0)
    torch.testing.assert_close(head.eval()(features).mean, trained, rtol=1e-2, atol=1e-2)


def test_renormalisation_trains_what_is_evaluated():
    """Batches of two kinds, as of two lengths: their own statistics would hide which kind a row is of."""
    head = BatchNormalisedHead(H, D, gamma=0.6, renormalise=True)
    kinds = torch.randn(2, H)
    for _ in range(40):
        for kind in kinds:
            head(kind + torch.randn(200, H))
    features = kinds[0] + torch.randn(200, H)
    trained = head(features).mean
    torch.testing.assert_close(head.eval()(features).mean, trained, atol=0.02, rtol=0.02)
    assert trained.mean(dim=0).abs().max() > 0.1


def test_renormalisation_of_rows_that_do_not_differ_is_finite():
    head = BatchNormalisedHead(H, D, renormalise=True)
    assert head(torch.ones(4, H)).mean.isfinite().all()


def test_renormalisation_has_the_gradient_of_the_batchs_statistics():
    """A shift and a stretch of all features of a batch get no gradient: they change no normalised mean."""
    head = BatchNormalisedHead(H, D, renormalise=True)
    for _ in range(20):
        head(torch.randn(100, H))
    raw = torch.randn(50, 2 * D, requires_grad=True)
    head.parameters_of = torch.nn.Identity()
    head(raw).mean.pow(3).sum().backward()
    gradient = raw.grad[:, :D]
    torch.testing.assert_close(gradient.sum(dim=0), torch.zeros(D), atol=1e-4, rtol=0)
    torch.testing.assert_close((gradient * raw[:, :D]).sum(dim=0), torch.zeros(D), atol=1e-3, rtol=0)


def test_batch_normalisation_before_any_batch_normalises_nothing():
    head = BatchNormalisedHead(H, D, gamma=1.0).eval()
    features = torch.randn(4, H)
    torch.testing.assert_close(head(features).mean, head.parameters_of(features)[:, :D])


def test_batch_normalisation_of_one_example_uses_running_statistics():
    head = BatchNormalisedHead(H, D)
    head(torch.randn(50, H) * 3)
    one = torch.randn(1, H)
    trained = head(one).mean
    torch.testing.assert_close(trained, head.eval()(one).mean)


@pytest.mark.parametrize("rate", [1e-3, 7.0, 60.0])
def test_a_moment_matched_aggregate_has_the_moments_of_the_prior_and_the_rate(rate):
    """Of batches of two kinds, as of two lengths: the variance between them is part of the aggregate's."""
    head, kinds = MomentMatchedHead(H, D, rate=rate), torch.randn(2, H)
    for _ in range(400):
        for kind in kinds:
            head(kind + torch.randn(100, H))
    posterior = head.eval()(torch.cat([kind + torch.randn(20_000, H) for kind in kinds]))
    mean = posterior.mean.mean(dim=0)
    variance = posterior.mean.var(dim=0) + posterior.variance.mean(dim=0)
    torch.testing.assert_close(mean, torch.zeros(D), rtol=0, atol=0.05)
    torch.testing.assert_close(variance, torch.ones(D), rtol=0.05, atol=0)
    kl = kl_divergence(posterior, DiagonalGaussian(torch.zeros(D), torch.zeros(D))).mean()
    torch.testing.assert_close(kl, torch.tensor(rate), rtol=0.05, atol=0)


def test_moment_matching_trains_what_is_evaluated():
    head, features = MomentMatchedHead(H, D), torch.randn(200, H)
    for _ in range(1000):
        trained = head(features).mean
    torch.testing.assert_close(head.eval()(features).mean, trained, atol=1e-3, rtol=1e-3)


def test_moment_matching_holds_from_the_first_steps_for_features_that_hardly_differ():
    head = MomentMatchedHead(H, D)
    trained = head(0.1 + 3e-3 * torch.randn(500, H)).mean
    torch.testing.assert_close(trained.std(dim=0), torch.full((D,), head.gamma), rtol=0.02, atol=0)


def test_moment_matching_of_rows_that_do_not_differ_is_finite():
    head = MomentMatchedHead(H, D)
    assert head(torch.ones(4, H)).mean.isfinite().all()
    assert head(torch.ones(1, H)).mean.isfinite().all()


@pytest.mark.parametrize("padding", [1, 17])
def test_appended_padding_changes_nothing(encoder, padding):
    """But the order of a sum, which is the processor's choice."""
    encoder.eval()
    batch = Batch.collate(SEQUENCES)
    longer = replace(batch, tokens=torch.nn.functional.pad(batch.tokens, (0, padding), value=PAD))
    for ours, theirs in zip(encoder(batch).parameters, encoder(longer).parameters, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", POOLINGS)
def test_states_at_padding_are_never_pooled(name):
    states, batch = torch.randn(3, 4, 5), Batch.collate([[4, 4, 4]] * 3)
    behind = torch.full((3, 2, 5), torch.nan)
    padded = replace(batch, tokens=torch.nn.functional.pad(batch.tokens, (0, 2), value=PAD), equal_length=False)
    pool = POOLINGS[name]()
    assert torch.equal(pool(states, batch), pool(torch.cat([states, behind], dim=1), padded))


def test_what_is_pooled_are_the_hidden_states_of_the_tokens():
    """Not the cells, and with EOS but no BOS, whatever the length."""
    encoder = ENCODERS["LSTMEncoder-LastState-GaussianHead"]().eval()
    for sequence in SEQUENCES:
        _, (hidden, _) = encoder.recurrence(encoder.embedding(torch.tensor([[*sequence, EOS]])))
        torch.testing.assert_close(encoder(Batch.collate([sequence])).mean, encoder.posterior(hidden[0]).mean)


def test_an_encoder_drops_nothing_in_evaluation():
    encoder = ENCODERS["LSTMEncoder-LastState-GaussianHead"]().eval()
    plain = encoder(Batch.collate(SEQUENCES)).mean
    encoder.dropout = SequenceDropout(**dict.fromkeys(NOISES_OF_SEQUENCES, 0.9)).eval()
    assert torch.equal(encoder(Batch.collate(SEQUENCES)).mean, plain)


@pytest.mark.parametrize("noise", NOISES_OF_SEQUENCES)
@pytest.mark.parametrize("kind", ["LSTMEncoder-LastState-GaussianHead", "AnticausalLSTMEncoder"])
def test_an_encoder_hears_each_noise_in_training(kind, noise):
    encoder = (ENCODERS | STEPWISE_ENCODERS)[kind]().train()
    plain = encoder(Batch.collate(SEQUENCES)).mean
    encoder.dropout = SequenceDropout(**{noise: 0.9})
    assert not torch.allclose(encoder(Batch.collate(SEQUENCES)).mean, plain)


def test_poolings_of_known_states():
    states = torch.tensor([[[1.0], [3.0], [-5.0]], [[-2.0], [-1.0], [9.0]]])
    batch = Batch.collate([[4, 4], [4]])
    assert LastState()(states, batch).flatten().tolist() == [-5.0, -1.0]
    assert MaxPooling()(states, batch).flatten().tolist() == [3.0, -1.0]
    assert AbsoluteMaxPooling()(states, batch).flatten().tolist() == [-5.0, -2.0]
    torch.testing.assert_close(MeanPooling()(states, batch).flatten(), torch.tensor([-1 / 3, -1.5]))


def test_the_absolute_maximum_is_the_maximum_of_values_of_one_sign():
    states, batch = torch.rand(2, 5, 3), Batch.collate([[4, 4, 4, 4], [4]])
    torch.testing.assert_close(AbsoluteMaxPooling()(states, batch), MaxPooling()(states, batch))
    torch.testing.assert_close(AbsoluteMaxPooling()(-states, batch), -MaxPooling()(states, batch))


@pytest.mark.parametrize(("family", "divergence"), [("von-mises-fisher", 2.1726), ("power-spherical", 1.4658)])
def test_a_fixed_concentration_is_a_fixed_rate(family, divergence):
    posterior = DirectionalHead(4, 32, family=family)(10 * torch.randn(5, 4))
    rate = kl_divergence(posterior, HypersphericalUniform(torch.zeros(32)))
    torch.testing.assert_close(rate, torch.full((5,), divergence), atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", ["von-mises-fisher", "power-spherical"])
def test_a_learned_concentration_is_the_given_one_where_features_say_nothing(family):
    head = DirectionalHead(4, 32, concentration=7.0, learned=True, family=family)
    assert head(torch.zeros(2, 4)).concentration.tolist() == pytest.approx([7.0, 7.0])
    assert len(set(head(torch.randn(3, 4)).concentration.tolist())) == 3


def test_a_sphere_has_two_dimensions_or_more():
    with pytest.raises(RecipeError, match="latent_dim is 1"):
        DirectionalHead(4, 1)


@pytest.mark.parametrize("delta", [1e-3, 0.1, 0.15, 0.25, 3.0, 20.0])  # at 20, rounding goes below the margin
def test_the_committed_rate_is_exact(delta):
    """KL_i = delta + max(0, b) / 2 for every a; one delta for the whole vector would divide it by D."""
    head = CommittedRateHead(H, D, delta)
    head.parameters_of = torch.nn.Identity()
    scale, excess = torch.randn(200, D) * 6, torch.randn(200, D) * 3
    kl = kl_per_dimension(head(torch.cat([scale, excess], dim=1)), DiagonalGaussian(torch.zeros(D), torch.zeros(D)))
    torch.testing.assert_close(kl, delta + 0.5 * excess.relu(), atol=1e-5, rtol=1e-5)


def test_a_committed_rate_is_no_information():
    """Where the parameters do not vary with the sequence: a negative control of the estimate of information."""
    head = CommittedRateHead(H, D, delta=0.15)
    torch.nn.init.zeros_(head.parameters_of.weight)
    posterior = head(torch.randn(200, H))
    kl = kl_divergence(posterior, DiagonalGaussian(torch.zeros(D), torch.zeros(D)))
    assert kl.min().item() >= 0.15 * D
    assert information_of_each(posterior, 4).abs().max().item() < 1e-5
    assert active_units(posterior) == 0


@pytest.mark.parametrize("scale", [-200.0, 0.0, 200.0])
@pytest.mark.parametrize("excess", [-1e4, 0.0, 1e4])
def test_the_committed_rate_has_finite_gradients_at_the_ends(scale, excess):
    head = CommittedRateHead(H, D)
    head.parameters_of = torch.nn.Identity()
    raw = torch.cat([torch.full((2, D), scale), torch.full((2, D), excess)], dim=1).requires_grad_()
    posterior = head(raw)
    (posterior.mean.sum() + posterior.log_variance.sum()).backward()
    assert raw.grad.isfinite().all()
