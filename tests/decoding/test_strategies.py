"""Decoding against enumeration."""

from __future__ import annotations

import itertools

import pytest
import torch

from latentia.data import Word
from latentia.decoding import AllocatedBeam, Ancestral, Beam, DiverseBeam, Greedy, decode
from latentia.decoding.automaton import length
from latentia.decoding.constrained import Constrained
from latentia.decoding.repetition import RepetitionControl
from latentia.distributions import TokenSequence
from latentia.errors import InputError
from latentia.operations import TextSpace
from latentia.records import Batch
from latentia.shapes import BOS, EOS, PAD
from tests.laws.tables import D, V, model

SPEAKABLE = [token for token in range(V) if token not in (PAD, BOS, EOS)]


def likelihood(codes: int = 1):
    torch.manual_seed(1)
    vae = model().eval()
    for parameter in vae.decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.8)
    return vae.decoder(torch.randn(1, codes, D))


def renormalised(scores: torch.Tensor) -> torch.Tensor:
    return torch.log_softmax(scores.index_fill(-1, torch.tensor([PAD, BOS]), -torch.inf), dim=-1)


def score(distribution, row: int, sequence: list[int], ended: bool) -> float:
    """Log-probability of a decoded sequence among those without PAD and BOS."""
    log_probability, state = distribution.start()
    total = 0.0
    for token in [*sequence, *([EOS] if ended else [])]:
        total += renormalised(log_probability)[row, token].item()
        log_probability, state = distribution.step(state, torch.full((log_probability.shape[0],), token))
    return total


def test_greedy_takes_the_largest_at_each_step():
    distribution = likelihood()
    (ids,) = decode(distribution, Greedy(), 5)
    log_probability, state = distribution.start()
    for token in [*ids, EOS][:5]:
        assert renormalised(log_probability)[0].argmax().item() == token
        log_probability, state = distribution.step(state, torch.tensor([token]))


DECIDED = {
    "plain": Greedy(),
    "no repeats": RepetitionControl(Greedy(), repetition_penalty=1.3, no_repeat=2),
    "of a length": Constrained(Greedy(), length(V, 2, 4)),
}


@pytest.mark.parametrize("whole", [True, False], ids=["a code a text", "a code a token"])
@pytest.mark.parametrize("strategy", DECIDED.values(), ids=DECIDED)
def test_paths_that_begin_where_others_end_are_as_they_are_alone(strategy, whole, monkeypatch):
    """Codes of 40 texts of different lengths, three of them followed at a time."""
    distribution = likelihood(40)
    if not whole:
        distribution = TokenSequence(distribution.network, torch.randn(1, 40, 7, D))
    together = decode(distribution, strategy, 6)
    alone = [
        decode(TokenSequence(distribution.network, code), strategy, 6)[0] for code in distribution.latent.split(1, 1)
    ]
    monkeypatch.setattr("latentia.decoding.paths.PATHS_AT_A_TIME", 3)
    few = decode(distribution, strategy, 6)
    assert len({len(ids) for ids in alone}) > 1
    assert together == alone == few


def test_a_wide_beam_is_exhaustive():
    distribution = likelihood()
    limit = 3
    finished = [list(words) for n in range(limit) for words in itertools.product(SPEAKABLE, repeat=n)]
    cut = [list(words) for words in itertools.product(SPEAKABLE, repeat=limit)]
    scores = [(score(distribution, 0, words, True), words) for words in finished]
    scores += [(score(distribution, 0, words, False), words) for words in cut]
    (best,) = decode(distribution, Beam(width=200), limit)
    assert best == max(scores)[1]


def test_a_beam_of_one_is_greedy():
    distribution = likelihood(6)
    assert decode(distribution, Beam(width=1), 8) == decode(distribution, Greedy(), 8)


def test_a_batch_decodes_as_its_rows_do():
    distribution = likelihood(5)
    for strategy in (Greedy(), Beam(3)):
        together = decode(distribution, strategy, 6)
        alone = [
            decode(type(distribution)(distribution.network, distribution.latent[:, [row]]), strategy, 6)[0]
            for row in range(5)
        ]
        assert together == alone


def test_ancestral_frequencies_are_the_probabilities():
    scores = torch.log_softmax(torch.tensor([[0.0, 1.0, 2.0, -1.0]]), dim=-1)
    draws = Ancestral(temperature=0.8).draw(scores.expand(40_000, -1), torch.rand(40_000, dtype=torch.float64))
    expected = torch.softmax(scores[0] / 0.8, dim=-1) * 40_000
    observed = torch.bincount(draws, minlength=4)
    assert ((observed - expected).square() / expected).sum().item() < 16.3  # chi-square, 3 degrees, 0.999


def test_the_smallest_temperature_is_greedy():
    scores = torch.log_softmax(torch.randn(50, 9), dim=-1)
    torch.testing.assert_close(
        Ancestral(temperature=5e-324).draw(scores, torch.rand(len(scores)).double()), scores.argmax(dim=-1)
    )


def test_truncation_keeps_the_named_sets():
    scores = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    kept = {
        "k": Ancestral(top_k=2).truncated(scores),
        "p": Ancestral(top_p=0.79).truncated(scores),
        "tight": Ancestral(top_p=0.1).truncated(scores),
    }
    assert {name: value.isfinite().sum().item() for name, value in kept.items()} == {"k": 2, "p": 2, "tight": 1}
    torch.testing.assert_close(kept["k"].exp()[0, :2], torch.tensor([0.625, 0.375]))


def test_silent_tokens_never_come_out():
    distribution = likelihood(200)
    ids = {token for sequence in decode(distribution, Ancestral(temperature=5.0), 10) for token in sequence}
    assert not ids & {PAD, BOS, EOS}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Ancestral(temperature=0),
        lambda: Ancestral(temperature=float("nan")),
        lambda: Ancestral(top_k=-1),
        lambda: Ancestral(top_p=0),
        lambda: Beam(0),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(InputError, match="is"):
        make()


@pytest.fixture
def space() -> TextSpace:
    tokenizer = Word().train(["a b c"])
    return TextSpace(model(tokenizer.vocabulary_size).eval(), tokenizer, max_tokens=6)


def test_interpolation_ends_at_the_reconstructions(space):
    texts = list(space.interpolate("a b", "c c c", steps=4))
    assert [texts[0], texts[-1]] == list(map(str, space.reconstruct(["a b", "c c c"])))


@pytest.mark.parametrize("strategy", [Greedy(), Beam(3)])
def test_a_homotopy_begins_and_ends_at_the_decoded_ends_and_goes_straight(space, strategy):
    """Of a decoder that says something else for every code."""
    torch.manual_seed(3)
    for weight in [*space.model.decoder.parameters(), *space.model.encoder.parameters()]:
        torch.nn.init.normal_(weight, std=2.0)
    torch.nn.init.constant_(space.model.decoder.vocabulary.bias[EOS], -20.0)
    start, end = space.encode(["a b", "c c c"])
    share = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])[:, None]
    expected = space.decode((1 - share) * start + share * end, strategy)
    assert list(space.interpolate("a b", "c c c", steps=5, strategy=strategy)) == expected
    assert [expected[0], expected[-1]] == list(map(str, space.reconstruct(["a b", "c c c"], strategy=strategy)))
    assert expected[0] != expected[-1]


def test_samples_follow_their_seed_and_leave_the_generator_alone(space):
    state = torch.get_rng_state()
    first = list(space.sample(5, seed=3))
    assert first == list(space.sample(5, seed=3)) != list(space.sample(5, seed=4))
    assert torch.equal(state, torch.get_rng_state())


def test_codes_come_in_the_order_of_the_texts(space):
    texts = ["a b c", "a", "b c"]
    codes = space.encode(texts)
    for text, code in zip(texts, codes, strict=True):
        torch.testing.assert_close(space.encode([text])[0], code)


def test_codes_may_come_from_other_libraries(space):
    codes = space.encode(["a b c", "a"])
    assert space.decode(codes.double().numpy()) == space.decode(codes.tolist()) == space.decode(codes)


@pytest.mark.parametrize(
    "use",
    [
        lambda space: space.encode([]),
        lambda space: space.encode(["a", " "]),
        lambda space: space.encode(["a " * 7]),
        lambda space: space.decode([1.0, 2.0, 3.0]),
        lambda space: space.decode([[1.0, 2.0]]),
        lambda space: space.decode([[1.0, 2.0, float("nan")]]),
        lambda space: space.decode([["a", "b", "c"]]),
        lambda space: space.sample(0),
        lambda space: space.interpolate("a", "b", steps=1),
    ],
)
def test_unusable_arguments_are_refused(space, use):
    with pytest.raises(InputError):
        use(space)


def test_scores_of_decoded_text_are_those_of_the_batch():
    distribution = likelihood()
    batch = Batch.collate([[4, 5]])
    log_probability, state = distribution.start()
    total = log_probability[0, 4] + distribution.step(state, torch.tensor([4]))[0][0, 5]
    torch.testing.assert_close(distribution.token_log_prob(batch)[0, 0, :2].sum(), total)


@pytest.mark.parametrize("strategy", [Beam, AllocatedBeam, DiverseBeam])
def test_a_power_of_lengths_beyond_what_numbers_hold_is_refused(strategy):
    for steep in (10.5, -99.0, float("nan")):
        with pytest.raises(InputError, match="give -10 to 10"):
            strategy(6, length_penalty=steep)
