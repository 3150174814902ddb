"""Laws of likelihoods."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace

import pytest
import torch

from latentia.decoders import LSTMDecoder
from latentia.errors import InputError
from latentia.nn import SequenceDropout
from latentia.records import Batch
from latentia.shapes import BOS, EOS, UNK
from tests.laws.tables import DECODERS, NOISES_OF_SEQUENCES, D, E, H, V

SEQUENCES = [[4, 5, 6, 5], [6], [5, 4]]


STEPS = 8
CASES = [(name, False) for name in DECODERS] + [(name, True) for name in DECODERS if DECODERS[name]().reads_steps]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{'steps' if case[1] else 'whole'}")
def case(request):
    return request.param


@pytest.fixture
def decoder(case):
    return DECODERS[case[0]]().eval()


@pytest.fixture
def draw(case):
    """Codes of one a sequence, or of one a step and more steps than tokens."""
    return lambda samples, rows: torch.randn(samples, rows, *((STEPS, D) if case[1] else (D,)))


def test_probabilities_of_all_strings_sum_to_one(decoder, draw):
    """Finished strings up to a depth, and the prefixes that go on, hold all the mass at every depth."""
    likelihood = decoder(draw(1, 1))
    finished, prefixes = 0.0, torch.ones(1)
    log_probability, state = likelihood.start()
    for _ in range(4):
        joint = prefixes[:, None] * log_probability.exp()
        finished += joint[:, EOS].sum().item()
        going_on = [token for token in range(V) if token != EOS]
        prefixes = joint[:, going_on].flatten()
        assert finished + prefixes.sum().item() == pytest.approx(1, abs=1e-5)
        parents = torch.arange(len(joint)).repeat_interleave(len(going_on))
        tokens = torch.tensor(going_on).repeat(len(joint))
        log_probability, state = likelihood.step(tuple(part[parents] for part in state), tokens)


def test_cached_steps_equal_teacher_forcing(decoder, draw):
    codes = draw(1, 3)
    batch = Batch.collate(SEQUENCES)
    likelihood = decoder(codes)
    scores = likelihood.token_log_prob(batch)[0]
    log_probability, state = likelihood.start()
    for time in range(batch.tokens.shape[1]):
        chosen = log_probability.gather(1, batch.tokens[:, time, None])[:, 0]
        torch.testing.assert_close(chosen[batch.mask[:, time]], scores[batch.mask[:, time], time])
        log_probability, state = likelihood.step(state, batch.tokens[:, time])


def test_padding_and_company_change_nothing(decoder, draw):
    codes = draw(2, 3)
    together = decoder(codes).log_prob(Batch.collate(SEQUENCES))
    for row, sequence in enumerate(SEQUENCES):
        alone = decoder(codes[:, row : row + 1]).log_prob(Batch.collate([sequence]))
        torch.testing.assert_close(together[:, row], alone[:, 0])


def test_samples_are_scored_apart(decoder, draw):
    codes = draw(4, 3)
    batch = Batch.collate(SEQUENCES)
    each = torch.cat([decoder(code[None]).log_prob(batch) for code in codes])
    torch.testing.assert_close(decoder(codes).log_prob(batch), each)


def test_scores_without_gradients_are_those_of_training_in_double_precision(decoder, draw):
    """They are made another way, from tiles of logits and an LSTM unrolled over inputs that the samples share."""
    batch, codes = Batch.collate(SEQUENCES), draw(4, 3)
    with torch.no_grad():
        measured = decoder(codes).token_log_prob(batch)
    exact = copy.deepcopy(decoder).double()(codes.double()).token_log_prob(batch)
    torch.testing.assert_close(measured, exact.detach().float(), rtol=1e-5, atol=1e-5)


def test_padding_scores_zero(decoder, draw):
    batch = Batch.collate(SEQUENCES)
    assert (decoder(draw(1, 3)).token_log_prob(batch)[0][~batch.mask] == 0).all()


def test_every_parameter_gets_a_gradient(decoder, draw):
    decoder(draw(2, 3)).log_prob(Batch.collate(SEQUENCES)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in decoder.parameters())


def test_nothing_is_dropped_in_evaluation(decoder, draw):
    batch, codes = Batch.collate(SEQUENCES), draw(1, 3)
    plain = decoder(codes).log_prob(batch)
    decoder.dropout = SequenceDropout(**dict.fromkeys(NOISES_OF_SEQUENCES, 0.9)).eval()
    assert torch.equal(decoder(codes).log_prob(batch), plain)


@pytest.mark.parametrize("noise", NOISES_OF_SEQUENCES)
def test_each_noise_is_heard_in_training(decoder, draw, noise):
    """But for that of words, where none is read."""
    batch, codes = Batch.collate(SEQUENCES), draw(1, 3)
    plain = decoder.train()(codes).log_prob(batch)
    decoder.dropout = SequenceDropout(**{noise: 0.9})
    unheard = decoder.inputless and noise == "words"
    assert torch.allclose(decoder(codes).log_prob(batch), plain) == unheard


def test_word_dropout_leaves_the_targets():
    """All targets of one place share its mass; were each turned into UNK, all would have that of UNK."""
    decoder, codes = LSTMDecoder(V, D, SequenceDropout(words=1.0), E, H).train(), torch.randn(1, 1, D)
    batch = Batch.collate([[token] for token in range(V)])
    mass = decoder(codes.expand(1, V, D)).token_log_prob(batch)[0, :, 0].exp().sum()
    assert mass.item() == pytest.approx(1, abs=1e-5)


def test_a_sequence_costs_the_sum_of_its_tokens(decoder, draw):
    """A mean over tokens beside a KL summed over dimensions would be another weight of the KL at each length."""
    batch = Batch.collate(SEQUENCES)
    likelihood = decoder(draw(2, 3))
    torch.testing.assert_close(likelihood.log_prob(batch), likelihood.token_log_prob(batch).sum(dim=-1))


def test_what_is_hidden_changes_what_comes_after_it_and_no_target(decoder, draw):
    """Hiding x_2 zeroes an input; x_2 itself is still predicted, at the same cost."""
    batch, codes = Batch.collate([[4, 5, 6, 5]]), draw(1, 1)
    hidden = replace(batch, visibility=torch.tensor([[1.0, 1.0, 0.0, 1.0, 1.0]]))
    seen, unseen = (decoder(codes).token_log_prob(given)[0, 0] for given in (batch, hidden))
    assert torch.equal(seen[:2], unseen[:2])
    assert (seen[2:] != unseen[2:]).all()


@pytest.mark.parametrize("skip", [True, False])
def test_a_code_that_skips_the_recurrence_is_seen_without_it(skip):
    """With recurrent states that are all zero."""
    decoder = LSTMDecoder(V, D, SequenceDropout(), E, H, skip=skip).eval()
    for weight in [*decoder.recurrence.parameters(), *decoder.initial.parameters()]:
        torch.nn.init.zeros_(weight)
    one, other = decoder(torch.randn(2, 1, D)).log_prob(Batch.collate([[4, 5]]))
    assert torch.equal(one, other) != skip


@pytest.mark.parametrize("name", [name for name, steps in CASES if steps])
def test_a_token_does_not_see_the_codes_after_it(name):
    decoder, batch = DECODERS[name]().eval(), Batch.collate([[4, 5, 6, 5], [6, 4, 4, 5]])
    codes = torch.randn(1, 2, 5, D)
    scores = decoder(codes).token_log_prob(batch)
    for step in range(5):
        changed = codes.clone()
        changed[:, :, step] += 1.0
        moved = (decoder(changed).token_log_prob(batch) != scores).any(dim=(0, 1)).nonzero()
        assert moved.min().item() == step


def test_codes_of_steps_that_come_to_their_end_are_named():
    likelihood = DECODERS["LSTMDecoder-free-plain"]()(torch.randn(1, 2, 1, D))
    _, state = likelihood.start()
    with pytest.raises(InputError, match="no step left"):
        likelihood.step(state, torch.tensor([4, 5]))


def inputless() -> LSTMDecoder:
    return LSTMDecoder(V, D, SequenceDropout(words=1.0), E, H)


def test_full_word_dropout_hides_the_inputs_while_training():
    decoder, codes = inputless(), torch.randn(1, 1, D)
    ends = [decoder(codes).token_log_prob(Batch.collate([[a, 5]]))[0, 0, 1:] for a in (4, 6)]
    torch.testing.assert_close(*ends, rtol=0, atol=0)
    decoder.eval()
    ends = [decoder(codes).token_log_prob(Batch.collate([[a, 5]]))[0, 0, 1:] for a in (4, 6)]
    assert not torch.equal(*ends)


def test_an_inputless_decoder_reads_nothing_ever():
    decoder, codes = DECODERS["LSTMDecoder-inputless"]().eval(), torch.randn(1, 1, D)
    ends = [decoder(codes).token_log_prob(Batch.collate([[a, 5]]))[0, 0, 1:] for a in (4, 6)]
    torch.testing.assert_close(*ends, rtol=0, atol=0)


def test_word_dropout_never_drops_bos_and_hits_its_rate():
    tokens = torch.full((200, 51), 5)
    tokens[:, 0] = BOS
    dropped = SequenceDropout(words=0.3).drop_words(tokens)
    assert (dropped[:, 0] == BOS).all()
    share = (dropped[:, 1:] == UNK).double().mean().item()
    assert share == pytest.approx(0.3, abs=3 * (0.21 / 10_000) ** 0.5)


def test_embedding_dropout_is_not_word_dropout():
    dropout = SequenceDropout(embeddings=0.5)
    tokens = torch.tensor([[BOS, 5, 6]])
    assert torch.equal(dropout.drop_words(tokens), tokens)
    table = torch.nn.Embedding.from_pretrained(torch.ones(7, 50))
    assert set(dropout.embed(table, tokens).unique().tolist()) == {0.0, 2.0}


def test_one_mask_a_sequence_is_kept_over_time():
    dropped = SequenceDropout(states=0.5, per_sequence=True).drop_states(torch.ones(4, 5, 6))
    assert (dropped == dropped[:, :1]).all()


def test_tied_tables_are_one_tensor():
    decoder = DECODERS["LSTMDecoder-tied-plain"]()
    assert decoder.vocabulary.weight is decoder.embedding.weight


def test_all_strings_of_a_three_word_language_are_enumerable():
    """The mass of strings up to length n agrees with scoring each of them by teacher forcing."""
    decoder = DECODERS["LSTMDecoder-free-plain"]().eval()
    strings = [list(words) for n in range(3) for words in itertools.product(range(V), repeat=n) if EOS not in words]
    codes = torch.randn(1, 1, D)
    total = sum(decoder(codes).log_prob(Batch.collate([string])).exp().item() for string in strings)
    likelihood = decoder(codes)
    log_probability, state = likelihood.start()
    first = log_probability.exp()[0]
    expected = first[EOS].item()
    going_on = torch.tensor([token for token in range(V) if token != EOS])
    second, state = likelihood.step(tuple(part.expand(len(going_on), -1) for part in state), going_on)
    second = second.exp()
    expected += (first[going_on] * second[:, EOS]).sum().item()
    rows = torch.arange(len(going_on)).repeat_interleave(len(going_on))
    third, _ = likelihood.step(tuple(part[rows] for part in state), going_on.repeat(len(going_on)))
    mass = (first[going_on][:, None] * second[:, going_on]).flatten()
    expected += (mass * third.exp()[:, EOS]).sum().item()
    assert total == pytest.approx(expected, rel=1e-4)
