"""Constrained decoding against exhaustive search."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
import torch

from latentia.decoding import AllocatedBeam, Ancestral, Beam, DiverseBeam, Greedy, Rejection, decode
from latentia.decoding.automaton import Automaton, anything, containing, in_order, length, side_by_side
from latentia.decoding.base import Scores
from latentia.decoding.constrained import Constrained
from latentia.decoding.repetition import RepetitionControl
from latentia.errors import ImpossibleError
from tests.decoding.languages import LONGEST, TEXTS, WORDS, likelihood, log_probabilities
from tests.laws.tables import V

STRATEGIES = {
    "Greedy": Greedy(),
    "Ancestral": Ancestral(),
    "Ancestral-typical": Ancestral(typical_p=0.5),
    "Ancestral-tight": Ancestral(temperature=0.3, top_k=1),
    "Beam": Beam(3),
    "Beam-normalised": Beam(2, length_penalty=1.0),
    "AllocatedBeam": AllocatedBeam(4),
    "AllocatedBeam-one": AllocatedBeam(1),
    "DiverseBeam": DiverseBeam(4, groups=2, diversity=2.0),
    "RepetitionControl": RepetitionControl(Greedy(), repetition_penalty=3.0, no_repeat=1),
}


def phrase(draw: random.Random) -> tuple[int, ...]:
    return tuple(draw.choices(WORDS, k=draw.randint(1, 2)))


def demands(seed: int) -> Automaton:
    """A random set of demands that some text of at most five words meets."""
    draw = random.Random(seed)
    while True:
        parts = [containing(phrase(draw), V, draw.choice([1, 1, 2])) for _ in range(draw.randint(0, 2))]
        parts += [~containing(phrase(draw), V) for _ in range(draw.randint(0, 2))]
        parts += [in_order([phrase(draw), phrase(draw)], V)] * draw.randint(0, 1)
        parts += [length(V, draw.randint(0, 4), draw.choice([4, 5, math.inf]))] * draw.randint(0, 1)
        both = anything(V)
        for part in parts:
            both = both & part
        if both.distances[0] <= LONGEST:
            return both


@pytest.mark.parametrize("strategy", [Beam(1100), AllocatedBeam(1100)], ids=["beam", "allocated"])
@pytest.mark.parametrize("seed", range(6))
def test_a_wide_constrained_beam_is_exhaustive_search(strategy, seed):
    """It compares by the model's probability, not by one renormalised over what was allowed at each step."""
    distribution, accepted = likelihood(seed=seed), demands(seed)
    scores = log_probabilities(distribution)
    best = max((text for text in TEXTS if accepted.accepts(text)), key=scores.__getitem__)
    assert decode(distribution, Constrained(strategy, accepted), LONGEST) == [list(best)]


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("seed", range(4))
def test_every_strategy_obeys(name, seed):
    """Neither does EOS come before the demands are met nor is a text cut off before."""
    accepted = demands(100 + seed)
    torch.manual_seed(seed)
    texts = decode(likelihood(20, spread=1.5), Constrained(STRATEGIES[name], accepted), LONGEST)
    assert all(accepted.accepts(text) for text in texts)


@pytest.mark.parametrize("name", [*STRATEGIES, "Rejection"])
def test_an_empty_set_of_demands_is_ordinary_decoding(name):
    distribution, strategy = likelihood(8), (STRATEGIES | {"Rejection": Rejection()})[name]
    torch.manual_seed(0)
    plain = decode(distribution, strategy, 8)
    torch.manual_seed(0)
    assert decode(distribution, Constrained(strategy, anything(V)), 8) == plain


@pytest.mark.parametrize("name", STRATEGIES)
def test_one_text_alone_is_found_by_all(name):
    """A phrase of five words is not interrupted where no word is left for another start."""
    only = containing((4, 5, 4, 5, 6), V)
    assert decode(likelihood(2), Constrained(STRATEGIES[name], only), 5) == [[4, 5, 4, 5, 6]] * 2


def test_a_length_leaves_room_for_the_end():
    """A text of the most tokens demanded ends there, so that its probability counts EOS."""
    distribution, three = likelihood(), length(V, 3, 3)
    scores = log_probabilities(distribution)
    best = max((text for text in TEXTS if len(text) == 3), key=scores.__getitem__)
    assert decode(distribution, Constrained(Beam(500), three), LONGEST) == [list(best)]


def test_the_impossible_is_refused_before_anything_is_computed():
    class Untouchable(Scores):
        def opened(self):
            raise AssertionError("computed")

        step = missing = streams = opened

    for automaton in (containing((4, 5, 6), V, 2), containing((4,), V) & ~containing((4,), V)):
        with pytest.raises(ImpossibleError, match="no text of 5 tokens meets the demands"):
            Constrained(Greedy(), automaton).search(Untouchable(), 5)


def test_each_code_may_have_demands_of_its_own():
    parts = [demands(seed) for seed in range(6)]
    together, starts = side_by_side(parts)
    texts = decode(likelihood(6), Constrained(AllocatedBeam(4), together, starts), LONGEST)
    assert all(part.accepts(text) for part, text in zip(parts, texts, strict=True))
    alone = [
        decode(type(d)(d.network, d.latent[:, [row]]), Constrained(AllocatedBeam(4), parts[row]), LONGEST)[0]
        for d in [likelihood(6)]
        for row in range(6)
    ]
    assert texts == alone


def statistic(distribution, accepted: Automaton, strategy, count: int) -> tuple[float, int]:
    """Return chi-square of decoded texts against p(x|z) among those accepted, and its degrees of freedom."""
    probability = {t: math.exp(s) for t, s in log_probabilities(distribution).items() if accepted.accepts(t)}
    total = sum(probability.values())
    expected = {text: count * each / total for text, each in probability.items()}
    many = type(distribution)(distribution.network, distribution.latent.expand(1, count, -1))
    observed = Counter(map(tuple, decode(many, Constrained(strategy, accepted), LONGEST)))
    assert observed.keys() <= expected.keys()
    common = [text for text, each in expected.items() if each >= 5]
    rare = [
        (sum(observed[t] for t in expected if t not in common), sum(expected[t] for t in expected if t not in common))
    ]
    cells = [(observed[t], expected[t]) for t in common] + [pair for pair in rare if pair[1] > 0]
    return sum((o - e) ** 2 / e for o, e in cells), len(cells) - 1


@pytest.mark.parametrize("seed", [3, 5])
def test_exact_sampling_has_the_probabilities_of_the_model(seed):
    torch.manual_seed(seed)
    value, freedom = statistic(likelihood(seed=seed), demands(seed), Rejection(), 1500)
    assert value < freedom + 4 * math.sqrt(2 * freedom) + 8  # beyond the 0.9999 quantile


def test_sampling_from_what_is_allowed_at_each_step_has_not():
    """So that the test above can fail."""
    torch.manual_seed(0)
    value, freedom = statistic(likelihood(seed=3, spread=1.2), containing((4, 5), V), Ancestral(), 4000)
    assert value > 3 * freedom + 50


def test_exact_sampling_gives_up_after_its_tries():
    distribution = likelihood(3)
    rare = containing((4, 5, 4, 5, 6), V)
    with pytest.raises(ImpossibleError, match="of 3 codes gave no accepted text in 2 tries: raise tries"):
        decode(distribution, Constrained(Rejection(2), rare), LONGEST)


def test_exact_sampling_without_demands_needs_one_try():
    texts = decode(likelihood(50), Rejection(2), 8)
    assert len(texts) == 50
