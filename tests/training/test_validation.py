"""What a validation record holds."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from latentia.functional.dispersion import mean_cosine_distance
from latentia.functional.schedule import Constant
from latentia.nn import SequenceDropout
from latentia.objectives import ELBO
from latentia.records import Batch
from latentia.training import validation
from latentia.training.validation import validate
from tests.laws.tables import model, sequential_model

SEQUENCES = [[4, 5, 6, 5], [6, 6], [5, 4], [4, 4, 4]]
BATCHES = [Batch.collate(SEQUENCES[:3]), Batch.collate(SEQUENCES[3:])]


def features_of(vae, batches):
    states = [vae.encoder.recurrence(vae.encoder.embedding(batch.tokens))[0] for batch in batches]
    return torch.cat([vae.encoder.pooling(part, batch) for part, batch in zip(states, batches, strict=True)])


def test_the_dispersion_is_that_of_all_features(monkeypatch):
    vae = model().eval()
    features = features_of(vae, BATCHES)
    record = validate(vae, ELBO(Constant()), BATCHES, 0, 0)
    assert record["feature_dispersion"] == pytest.approx(mean_cosine_distance(features).item(), rel=1e-5)
    monkeypatch.setattr(validation, "FIRST_ROWS", 2)
    record = validate(vae, ELBO(Constant()), BATCHES, 0, 0)
    expected = 1 - functional.cosine_similarity(features[0], features[1], dim=0).item()
    assert record["feature_dispersion"] == pytest.approx(expected, rel=1e-4)
    assert not vae.encoder.posterior._forward_pre_hooks


def test_units_are_active_by_the_unbiased_variance_of_their_means():
    vae, counts = model().eval(), []
    means = torch.cat([vae.encoder(batch).mean for batch in BATCHES]).var(dim=0)
    for factor in (0.99, 1.01):
        for weight in vae.encoder.posterior.parameters():
            weight.data *= (factor * 0.01 / means.max().item()) ** 0.5
        counts.append(validate(vae, ELBO(Constant()), BATCHES, 0, 0)["active_units"])
        means = torch.cat([vae.encoder(batch).mean for batch in BATCHES]).var(dim=0)
    assert counts == [0, 1]


def test_codes_of_one_a_step_have_units_over_steps_and_neither_information_nor_dispersion():
    vae = sequential_model().eval()
    for weight in vae.encoder.posterior.parameters():
        weight.data *= 3
    record = validate(vae, ELBO(Constant()), BATCHES, 0, 0)
    assert not {"mutual_information", "feature_dispersion"} & record.keys()
    means = torch.cat([vae.infer(batch).steps.mean for batch in BATCHES])
    assert len(means) == sum(len(sequence) + 1 for sequence in SEQUENCES)
    assert record["active_units"] == (means.var(dim=0) >= 0.01).sum()


def test_one_sequence_has_no_dispersion():
    assert validate(model(), ELBO(Constant()), [Batch.collate([[4, 5]])], 0, 0)["feature_dispersion"] == 0


def test_nothing_is_dropped_or_disturbed_and_training_goes_on():
    """Dropout left on would be another reconstruction."""
    vae = model().train()
    for part in (vae.encoder, vae.decoder):
        part.dropout = SequenceDropout(words=0.9, embeddings=0.9, states=0.9)
    noisy = validate(vae, ELBO(Constant()), BATCHES, 0, 0)
    assert vae.training
    for part in (vae.encoder, vae.decoder):
        part.dropout = SequenceDropout()
    assert noisy == validate(vae, ELBO(Constant()), BATCHES, 0, 0)
