"""Batches: each example once an epoch, lengths apart, budgets kept, and an order that (seed, epoch) decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentia.data import Byte, Corpus, EqualLength, Loader, Mixed, TokenBudget, sequential
from latentia.errors import InputError

RULES = {
    "equal": EqualLength(),
    "equal, joined": EqualLength(minimum=4),
    "mixed": Mixed(),
    "budget": TokenBudget(),
    "budget of 60": TokenBudget(60),
}
LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=120).map(lambda found: np.array(found, dtype=np.int32))
every_rule = pytest.mark.parametrize("name", RULES)


def plain(batches):
    return [batch.tolist() for batch in batches]


@every_rule
@given(lengths=LENGTHS, batch_size=st.integers(1, 12), seed=st.integers(0, 2**31), epoch=st.integers(0, 50))
def test_every_example_is_in_one_batch_and_the_order_is_reproducible(name, lengths, batch_size, seed, epoch):
    batches = RULES[name].epoch(lengths, batch_size, seed, epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) for batch in batches)
    assert plain(batches) == plain(RULES[name].epoch(lengths, batch_size, seed, epoch))


@every_rule
def test_epochs_and_seeds_differ_and_sizes_do_not(name):
    lengths = np.random.default_rng(0).integers(3, 9, size=400).astype(np.int32)
    epochs = [plain(RULES[name].epoch(lengths, 16, 7, epoch)) for epoch in range(5)]
    assert len({str(epoch) for epoch in epochs}) == 5
    assert len({len(epoch) for epoch in epochs}) == 1
    assert epochs[0] != plain(RULES[name].epoch(lengths, 16, 8, 0))
    # Batches are made anew, not only put into another order.
    assert {frozenset(batch) for batch in epochs[0]} != {frozenset(batch) for batch in epochs[1]}


@given(lengths=LENGTHS, batch_size=st.integers(1, 12))
def test_equal_length_batches_mix_no_lengths_and_are_full_but_one_a_length(lengths, batch_size):
    batches = EqualLength().epoch(lengths, batch_size, 0, 0)
    assert all(len(set(lengths[batch])) == 1 for batch in batches)
    assert all(len(batch) <= batch_size for batch in batches)
    small = [lengths[batch[0]] for batch in batches if len(batch) < batch_size]
    assert len(small) == len(set(small))


@given(lengths=LENGTHS, batch_size=st.integers(2, 12), minimum=st.integers(2, 20))
def test_joined_batches_reach_the_minimum_but_one(lengths, batch_size, minimum):
    sizes = [len(batch) for batch in EqualLength(minimum).epoch(lengths, batch_size, 0, 0)]
    assert max(sizes) <= batch_size
    assert sum(size < min(minimum, batch_size) for size in sizes) <= 1


@given(lengths=LENGTHS, tokens=st.integers(1, 200))
def test_budgets_are_kept_but_by_a_sequence_that_is_longer(lengths, tokens):
    for batch in TokenBudget(tokens).epoch(lengths, 32, 0, 0):
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= tokens


def test_a_mixed_batch_has_the_lengths_of_the_corpus():
    lengths = np.repeat(np.arange(1, 41, dtype=np.int32), 50)
    means = [lengths[batch].mean() for batch in Mixed().epoch(lengths, 50, 0, 0)]
    assert np.std(means) < 3 * lengths.std() / 50**0.5
    assert np.mean(means) == lengths.mean()


def test_similar_lengths_share_a_budget():
    lengths = np.random.default_rng(0).integers(2, 40, size=5000).astype(np.int32)
    batches = TokenBudget(1024).epoch(lengths, 32, 0, 0)
    padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    assert padded < 1.03 * lengths.sum()


TEXTS = ["x" * (1 + number % 5) + str(number) for number in range(60)]
CORPUS = Corpus.from_texts(TEXTS, Byte().train([]))
EVERY_ROW = np.arange(len(CORPUS))


def loader(rule="equal", rows=EVERY_ROW, batch_size=4):
    return Loader(CORPUS, RULES[rule], batch_size, 3, rows)


@every_rule
def test_a_loader_yields_each_row_once_with_its_tokens(name):
    batches = list(loader(name).epoch(1))
    assert len(batches) == loader(name).steps(1)
    assert sorted(row for batch in batches for row in batch.index.tolist()) == EVERY_ROW.tolist()
    for batch in batches:
        for row, tokens, length in zip(batch.index.tolist(), batch.tokens, batch.lengths.tolist(), strict=True):
            assert tokens[: length - 1].tolist() == CORPUS.tokens(row)
        assert batch.equal_length == (len(set(batch.lengths.tolist())) == 1)


def test_a_loader_of_some_rows_yields_only_these():
    rows = np.array([2, 3, 50, 17, 8])
    assert sorted(row for batch in loader(rows=rows).epoch(0) for row in batch.index.tolist()) == sorted(rows)


@pytest.mark.parametrize("start", [0, 1, 7])
def test_an_epoch_taken_up_in_the_middle_is_the_rest_of_it(start, monkeypatch):
    whole = [batch.tokens for batch in loader().epoch(2)]
    built = []
    monkeypatch.setattr(Corpus, "batch", lambda corpus, rows, real=Corpus.batch: built.append(1) or real(corpus, rows))
    rest = [batch.tokens for batch in loader().epoch(2, start=start)]
    assert len(built) == len(whole) - start
    assert all(torch.equal(a, b) for a, b in zip(whole[start:], rest, strict=True))


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_take_as_many_steps_and_together_every_row(world_size):
    taken = [list(loader().epoch(0, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert {len(batches) for batches in taken} == {loader().steps(0, world_size)}
    rows = [row for batches in taken for batch in batches for row in batch.index.tolist()]
    assert set(rows) == set(EVERY_ROW.tolist())
    assert len(rows) - len(set(rows)) <= (world_size - 1) * 4


def test_a_rank_that_is_not_there_is_an_error():
    with pytest.raises(InputError, match="rank 2"):
        next(loader().epoch(0, rank=2, world_size=2))


def test_the_sequential_order_has_every_row_and_no_padding():
    batches = list(sequential(CORPUS, EVERY_ROW, 7))
    assert sorted(row for batch in batches for row in batch.index.tolist()) == EVERY_ROW.tolist()
    assert all(batch.equal_length and len(batch) <= 7 for batch in batches)
    again = sequential(CORPUS, EVERY_ROW, 7)
    assert [batch.index.tolist() for batch in batches] == [batch.index.tolist() for batch in again]
