"""Factors of a grammar found again in codes that hold them one by one, mixed, or not at all."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentia.data import Grammar
from latentia.distributions import DiagonalGaussian
from latentia.evaluation import FactorRecovery
from latentia.evaluation.factors import dependence, information_gap
from tests.laws.tables import subject

COUNT = 400


@pytest.fixture(scope="module")
def factors() -> Tensor:
    """As those of the grammar: four, of 4, 2, 3 and 2 levels."""
    generator = torch.Generator().manual_seed(0)
    return torch.stack([torch.randint(size, (COUNT,), generator=generator) for size in (4, 2, 3, 2)], dim=1)


def rotation(size: int) -> Tensor:
    return torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(1))).Q


def posterior(mean: Tensor) -> DiagonalGaussian:
    return DiagonalGaussian(mean, torch.full_like(mean, 2 * math.log(0.1)))


def numbers(mean: Tensor, factors: Tensor) -> dict[str, float]:
    result = information_gap(posterior(mean), factors, 20) | dependence(mean, factors, trees=5, parts=2, seed=0)
    return {name: entry["value"] for name, entry in result.items()}


def test_a_dimension_a_factor_is_perfect(factors):
    """And so it is with a dimension of noise beside them."""
    result = numbers(torch.cat([factors.float(), torch.randn(COUNT, 1)], dim=1), factors)
    for name in ("information_gap", "disentanglement", "completeness"):
        assert result[name] > 0.95, name
    assert result["informativeness"] == 1


def test_a_rotation_keeps_what_can_be_read_and_loses_the_dimensions(factors):
    code = factors.float() / factors.float().std(dim=0)
    straight, turned = numbers(code, factors), numbers(code @ rotation(4), factors)
    assert turned["information_gap"] < straight["information_gap"] - 0.5
    for name in ("disentanglement", "completeness"):
        assert turned[name] < straight[name] - 0.3, name
    assert turned["informativeness"] > turned["majority"] + 0.3


def test_noise_knows_nothing(factors):
    result = numbers(torch.randn(COUNT, 5), factors)
    for name in ("information_gap", "of_shuffled_factors"):
        assert result[name] < 0.05
    assert result["disentanglement"] < 0.15
    assert result["informativeness"] == pytest.approx(result["majority"], abs=0.06)


def test_a_collapsed_code_has_no_importance(factors):
    result = dependence(torch.zeros(COUNT, 3), factors, trees=2, parts=2, seed=0)
    assert result["disentanglement"] == result["completeness"] == {"value": None, "standard_error": None}
    assert result["informativeness"]["value"] == pytest.approx(result["majority"]["value"], abs=0.03)


def test_the_error_of_the_gap_is_that_of_other_sentences():
    mixing = torch.tensor([[1.0, 0.0, 0.2, 0.0], [0, 1, 0, 0.3], [0, 0, 1, 0], [0.4, 0, 0, 1]])
    results = []
    for _ in range(20):
        drawn = torch.stack([torch.randint(size, (200,)) for size in (4, 2, 3, 2)], dim=1)
        mean = drawn.float() @ mixing + 0.3 * torch.randn(200, 4)
        results.append(information_gap(posterior(mean), drawn, 50)["information_gap"])
    deviation = torch.tensor([result["value"] for result in results]).std().item()
    stated = sum(result["standard_error"] for result in results) / 20
    assert 0.5 < stated / deviation < 2


def test_texts_of_the_grammar_fit_and_others_do_not():
    examined = subject("TextVAE-grammar")
    result = FactorRecovery(trees=3, parts=2, resamples=5).measure(examined)
    assert result["sentences"] == len(examined.held_out)
    assert result["left_out"] == 0
    majority = [max(map(column.count, set(column))) / len(column) for column in levels(examined)]
    assert result["majority"]["value"] == pytest.approx(sum(majority) / 4)
    assert "grammar" in FactorRecovery().unfit(subject())
    assert "sphere" not in FactorRecovery().unfit(examined)
    assert "dimensions" in FactorRecovery().unfit(subject("TextVAE-sphere"))


def levels(examined: object) -> list[list[str]]:
    read = [Grammar().factors(text) for text in examined.held_out.texts()]
    return [[each[name] for each in read] for name in read[0]]
