"""Strategies against their definitions: allocation, diversity, typicality, repetition."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from latentia.decoding import AllocatedBeam, Ancestral, Beam, DiverseBeam, Greedy, Rejection, decode
from latentia.decoding.allocated import _dealt
from latentia.decoding.automaton import containing, length
from latentia.decoding.base import Likelihood
from latentia.decoding.constrained import Constrained
from latentia.decoding.repetition import RepetitionControl, RepetitionScores
from latentia.errors import InputError
from tests.decoding.languages import LONGEST, likelihood, log_probabilities
from tests.laws.tables import V


def test_an_allocated_beam_without_demands_is_a_beam():
    assert decode(likelihood(20), AllocatedBeam(4), 8) == decode(likelihood(20), Beam(4), 8)


@pytest.mark.parametrize("length_penalty", [-0.5, 0.0, 0.7, 2.0])
@pytest.mark.parametrize("width", [1, 3, 9])
def test_a_code_is_left_only_when_its_answer_is_certain(width, length_penalty):
    """Beam leaves codes and ended sequences alone; a search that extends all to the end finds the same."""
    whole = decode(likelihood(40), AllocatedBeam(width, length_penalty), 9)
    assert decode(likelihood(40), Beam(width, length_penalty), 9) == whole


def test_places_are_dealt_over_banks_and_unfilled_ones_to_others():
    rank = torch.tensor([[-1.0, -2.0, -3.0, -4.0, -9.0, -torch.inf]])
    bank = torch.tensor([[2, 2, 2, 2, 0, 1]])
    assert _dealt(rank, bank)[0, :4].tolist() == [0, 4, 1, 2]


def test_allocation_finds_better_texts_than_a_beam_of_its_width():
    """An ordinary beam puts the phrase off; over many codes the allocated one loses less."""
    gain = 0.0
    for seed in range(15):
        distribution, demand = likelihood(seed=seed), containing((4, 5), V)
        scores = log_probabilities(distribution)
        found = [decode(distribution, Constrained(kind(2), demand), LONGEST)[0] for kind in (AllocatedBeam, Beam)]
        gain += scores[tuple(found[0])] - scores[tuple(found[1])]
    assert gain > 0


def test_groups_without_diversity_are_beams_of_their_size():
    distribution = likelihood(10)
    assert decode(distribution, DiverseBeam(6, groups=2, diversity=0.0), 8) == decode(distribution, Beam(3), 8)


def test_the_first_group_is_a_beam_and_the_second_shuns_its_tokens():
    """Two groups of one, by hand: the second subtracts lambda where the first has the token at that step."""
    distribution, diversity = likelihood(seed=4), 3.0
    ((*plain,),) = decode(distribution, Greedy(), LONGEST)
    scores, _ = Likelihood(distribution).start()
    texts = [tuple(decode(distribution, DiverseBeam(2, 2, diversity), LONGEST)[0]) for _ in range(20)]
    shunned = scores[0].clone()
    shunned[plain[0] if plain else 3] -= diversity
    assert set(texts) == {tuple(plain), *[text for text in texts if text != tuple(plain)]}
    assert len(set(texts)) == 2
    (other,) = set(texts) - {tuple(plain)}
    assert (other[0] if other else 3) == shunned.argmax().item()


def test_equal_codes_give_more_different_texts_the_more_diversity():
    distribution = likelihood(1)
    many = type(distribution)(distribution.network, distribution.latent.expand(1, 60, -1))
    texts = [len(Counter(map(tuple, decode(many, DiverseBeam(6, 6, each), 8)))) for each in (0.0, 5.0)]
    assert texts[0] == 1 < texts[1]


def test_typical_tokens_are_those_whose_surprise_is_nearest_to_the_entropy():
    """Entropy 1.28 nats: the token of 0.25 (1.39) is nearest, and that of 0.4 (0.92) before that of 0.1 (2.3)."""
    probability = torch.tensor([[0.4, 0.25, 0.25, 0.1]])
    kept = Ancestral(typical_p=0.45).truncated(probability.log())
    assert kept.isfinite().tolist() == [[False, True, True, False]]
    torch.testing.assert_close(kept.exp()[0, 1:3], torch.tensor([0.5, 0.5]))
    kept = Ancestral(typical_p=0.6).truncated(probability.log())
    assert kept.isfinite().tolist() == [[True, True, True, False]]


def test_a_penalty_is_a_power_of_the_probability_of_what_is_written():
    scores = Likelihood(likelihood(3))
    _, plain = scores.start()
    tokens = torch.tensor([4, 5, 6])
    expected, _ = scores.step(plain, tokens)
    penalised = RepetitionScores(scores, 1.7, 0, LONGEST)
    _, state = penalised.start()
    found, _ = penalised.step(state, tokens)
    rows = torch.arange(3)
    torch.testing.assert_close(found[rows, tokens], 1.7 * expected[rows, tokens])
    unwritten = expected.clone()
    unwritten[rows, tokens] = found[rows, tokens]
    torch.testing.assert_close(found, unwritten)


def runs(text: list[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(text[start : start + size]) for start in range(len(text) - size + 1)]


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("strategy", [Greedy(), Beam(3), Ancestral(temperature=0.5), DiverseBeam(4, 2)])
def test_no_run_of_tokens_is_written_twice(strategy, size):
    torch.manual_seed(0)
    texts = decode(likelihood(20, spread=1.5), RepetitionControl(strategy, no_repeat=size), 12)
    assert all(max(Counter(runs(text, size)).values(), default=1) == 1 for text in texts)
    if isinstance(strategy, Greedy):
        plain = decode(likelihood(20, spread=1.5), strategy, 12)
        assert any(max(Counter(runs(text, size)).values(), default=1) > 1 for text in plain)


def test_demands_go_before_repetition():
    """Six words of four, none twice, cannot be; they are written all the same."""
    demanded = Constrained(RepetitionControl(Greedy(), no_repeat=1), length(V, 6, 6))
    (text,) = decode(likelihood(), demanded, 8)
    assert len(text) == 6
    assert len(set(text)) == 4


@pytest.mark.parametrize(
    "make",
    [
        lambda: Ancestral(typical_p=0.0),
        lambda: Ancestral(typical_p=1.1),
        lambda: AllocatedBeam(0),
        lambda: DiverseBeam(5, 2),
        lambda: DiverseBeam(diversity=-1.0),
        lambda: DiverseBeam(diversity=float("nan")),
        lambda: Rejection(0),
        lambda: RepetitionControl(Greedy(), repetition_penalty=0.9),
        lambda: RepetitionControl(Greedy(), no_repeat=-1),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(InputError, match="is"):
        make()
