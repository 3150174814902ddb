"""Batches at the edge of what there can be: costs and gradients are numbers, and padding is no token."""

from __future__ import annotations

import pytest
import torch

from latentia.functional.schedule import Constant
from latentia.objectives import ELBO
from latentia.records import Batch
from tests.laws.tables import MODELS, OBJECTIVES

LONG = [4, 5, 6] * 40
BATCHES = {
    "nothing but the end": [[], []],
    "one sequence": [[4, 5]],
    "one sequence of nothing": [[]],
    "one token each": [[4], [5], [6]],
    "all the same": [[4, 5, 6]] * 6,
    "one token that is always the same": [[4] * 30] * 3,
    "mostly padding": [LONG, [4], []],
}


def gradients(vae: torch.nn.Module, objective: object, sequences: list[list[int]]) -> torch.Tensor:
    torch.manual_seed(0)
    terms = objective(vae.train()(Batch.collate(sequences)), 0)
    (terms.loss + terms.apart).mean().backward()
    assert torch.isfinite(terms.loss).all()
    assert torch.isfinite(terms.bound).all()
    return torch.cat([weight.grad.flatten() for weight in vae.parameters() if weight.grad is not None])


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("kind", MODELS)
def test_every_model_has_finite_costs_and_gradients(kind, batch):
    found = gradients(MODELS[kind](), ELBO(Constant()), BATCHES[batch])
    assert torch.isfinite(found).all()
    assert found.abs().sum() > 0


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name != "DualEstimate"])
def test_every_objective_has_finite_costs_and_gradients(name, batch):
    """The estimate of a critic needs one, which the laws of objectives give it."""
    assert torch.isfinite(gradients(MODELS["TextVAE"](), OBJECTIVES[name](Constant()), BATCHES[batch])).all()


def test_what_a_token_costs_is_weighted_by_tokens_that_are_none_of_padding():
    vae, sequences = MODELS["TextVAE"]().eval(), [LONG, [4], []]
    batch = Batch.collate(sequences)
    assert batch.token_count == len(LONG) + 4
    code = vae.encoder(batch).mean
    together = vae.decoder(code[None]).log_prob(batch).sum()
    apart = [
        vae.decoder(code[None, row : row + 1]).log_prob(Batch.collate([each])).sum()
        for row, each in enumerate(sequences)
    ]
    reference = torch.stack(apart).sum() / sum(len(each) + 1 for each in sequences)
    torch.testing.assert_close(together / batch.token_count, reference, rtol=1e-6, atol=0)
