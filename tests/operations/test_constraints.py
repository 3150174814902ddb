"""What users demand, for every tokenizer, against Python's own expressions and plain counting."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Sequence

import pytest
import torch

from latentia.data import BPE, Byte, Char, Word
from latentia.data.spelling import spelling
from latentia.data.tokenizer import Tokenizer
from latentia.decoding import AllocatedBeam, Ancestral, Beam, Greedy
from latentia.decoding.repetition import RepetitionControl
from latentia.errors import ImpossibleError, InputError
from latentia.operations import TextSpace, patterns
from latentia.operations.constraints import constrained
from latentia.operations.lines import Refused
from latentia.operations.patterns import compiled
from latentia.recipes.strategies import strategy_of
from tests.laws.tables import model

TEXTS = ["the cat sat", "a cat's mat", "été là", "cats sat on the mat", "a b c"]
KINDS = {"Word": Word(), "Char": Char(), "Byte": Byte(), "BPE": BPE(280)}


def space(kind: str, max_tokens: int = 12) -> TextSpace:
    torch.manual_seed(0)
    tokenizer = KINDS[kind].train(TEXTS)
    return TextSpace(model(tokenizer.vocabulary_size).eval(), tokenizer, max_tokens)


def accepts(space: TextSpace, text: Sequence[int] | str, **demands: object) -> bool:
    ids = space.tokenizer.encode(text) if isinstance(text, str) else text
    return constrained(space, Greedy(), **demands).automaton.accepts(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_spell_what_the_tokenizer_decodes(kind):
    tokenizer = space(kind).tokenizer
    spelt = spelling(tokenizer)
    for text in TEXTS:
        ids = tokenizer.encode(text)
        assert spelt.separator.join(spelt.pieces[token] for token in ids).decode() == text == tokenizer.decode(ids)


def test_a_tokenizer_that_writes_in_another_way_is_refused():
    from tokenizers import decoders

    tokenizer: Tokenizer = space("Char").tokenizer
    tokenizer.rust.decoder = decoders.Metaspace()
    with pytest.raises(InputError, match="writes by Metaspace"):
        spelling(tokenizer)


PATTERNS = [
    "a|ab", "(a|ab)(c|bcd)?", "a*?", "a??b", "(ab|a)*", "[^a]b*", "(?:a|b){2,3}", "a.c", r"\w+", r"\s", "a|b|abc|abcd",
    "(?s:.)a", r"\d{2}", "(?i)AB", "", "(?s).*", "^a+$", r"é+|[à-ü]c", r"a\$", "(a*)*b",
    "(a|b ){,2}c", "a{,}", "a{2,}", "[{,3}$]a", "a{b|{}", r"\Aab?\Z", "a(?#no)b", "(?s)^a.$", "(?P<x>a)b|(?i:C)",
    "(?x) a [ b] # c [", "(?ix)A\n# (\n b {1,2} $", r"(?x) a \  b", r"(?x)[#a] \#? c?",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_accept_what_python_matches(pattern):
    """Among others ``a|ab``, of which a leftmost-first automaton would take ``a`` alone."""
    machine = compiled(pattern)
    for size in range(5):
        for letters in itertools.product("abcé1 ${}#", repeat=size):
            text, state = "".join(letters), 0
            for byte in text.encode():
                state = machine.table[state, byte]
            assert bool(machine.accepting[state]) == bool(re.fullmatch(pattern, text)), text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pattern", [r"(the|a) \w+( .*)?", r"\S+ \S+", r"[^c]*", r"été là|.*cats?.*", ".* mat"])
def test_patterns_hold_for_the_text_whatever_its_tokens(kind, pattern):
    where = space(kind)
    for text in [*TEXTS, "the", "cat", "mat", "cats mat", "là été"]:
        ids = where.tokenizer.encode(text)
        assert accepts(where, ids, pattern=pattern) == bool(re.fullmatch(pattern, where.tokenizer.decode(ids))), text


@pytest.mark.parametrize("kind", KINDS)
def test_phrases_are_whole_words_whatever_their_tokens(kind):
    """``cat`` is in neither ``cats`` nor ``cat's``; in pieces it may be cut in another way than by the tokenizer."""
    where = space(kind)
    for phrase, words in {"cat": ["cat"], "the mat": ["the", "mat"], "cats": ["cats"]}.items():
        for text in [*TEXTS, "mat the mat", "the the mat", "cat", "the mat cats", "mats"]:
            ids = where.tokenizer.encode(text)
            written = where.tokenizer.decode(ids).split()
            there = any(written[start : start + len(words)] == words for start in range(len(written)))
            assert accepts(where, ids, must=[phrase]) == there, (phrase, text)
            assert accepts(where, ids, must_not=[phrase]) != there, (phrase, text)


@pytest.mark.parametrize("kind", ["Char", "Byte"])
def test_a_demanded_phrase_is_written_with_single_spaces_and_a_forbidden_one_in_no_way(kind):
    where = space(kind)
    assert accepts(where, "a the mat", must=["the  mat"])
    assert not accepts(where, "the   mat", must=["the mat"])
    assert not accepts(where, "the   mat", must_not=["the mat"])
    assert accepts(where, "the cat mat", must_not=["the mat"])


@pytest.mark.parametrize("kind", KINDS)
def test_phrases_appear_as_often_as_they_are_given_and_in_order_if_asked(kind):
    where = space(kind)
    for size in range(5):
        for words in itertools.product(["a", "b", "cat"], repeat=size):
            ids = where.tokenizer.encode(" ".join(words))
            assert accepts(where, ids, must=["a", "a"]) == (words.count("a") >= 2), words
            after = "a b" in " ".join(words) and "cat" in " ".join(words).partition("a b")[2]
            assert accepts(where, ids, must=["a b", "cat"], ordered=True) == after, words


def test_two_of_a_phrase_do_not_overlap():
    where = space("Word")
    assert not accepts(where, "a a a", must=["a a"] * 2)
    assert accepts(where, "a a a a", must=["a a"] * 2)
    with pytest.raises(ImpossibleError, match="meets: must 'cat' 2 times, length :1"):
        where.sample(1, must=["cat"] * 2, length=":1")
    with pytest.raises(ImpossibleError, match="meets: must 'cat' and then 'a', length :1"):
        where.sample(1, must=["cat", "a"], in_order=True, length=":1")
    with pytest.raises(InputError, match="an order is asked for, and no phrase"):
        where.sample(1, in_order=True)


def test_a_forbidden_word_is_forbidden_in_every_cut():
    where = space("BPE")
    pieces = {piece: token for token, piece in enumerate(spelling(where.tokenizer).pieces)}
    cuts = [[b"c", b"a", b"t"], [b"a", b" ", b"c", b"a", b"t"]]
    for cut in cuts:
        assert not accepts(where, [pieces[piece] for piece in cut], must_not=["cat"])
        assert accepts(where, [pieces[piece] for piece in cut], must=["cat"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", [Greedy(), Ancestral(), Beam(3), AllocatedBeam(4)])
def test_every_sample_meets_the_demands(kind, strategy):
    where = space(kind, 24)
    demands = {"must": ["cat", "sat"], "must_not": ["mat"], "length": "3:20"}
    for text in where.sample(6, strategy=strategy, **demands):
        words = text.split()
        assert {"cat", "sat"} <= {*words}
        assert "mat" not in words
    for text in where.sample(6, strategy=strategy, pattern="(the|a) c[a-z]+t( .*)?", length=":15"):
        assert re.fullmatch("(the|a) c[a-z]+t( .*)?", text)


def test_lengths_are_of_tokens():
    where = space("Word")
    assert {len(text.split()) for text in where.sample(20, length="4:5")} <= {4, 5}
    assert {len(text.split()) for text in where.sample(5, length="12:")} == {12}


def test_no_demand_is_the_strategy_itself():
    strategy = Greedy()
    assert constrained(space("Word"), strategy) is strategy


@pytest.mark.parametrize(
    ("demands", "message"),
    [
        ({"must": ["cat"], "length": ":0"}, "must 'cat', length :0"),
        ({"must": ["a b c", "the"], "pattern": "zzz"}, "meets: pattern 'zzz'"),
        ({"length": "13:"}, "meets: length 13:"),
        ({"length": "3:2"}, "meets: length 3:2"),
        ({"must": ["the cat"], "must_not": ["cat"]}, "must 'the cat', must not 'cat'"),
    ],
)
def test_the_impossible_is_named(demands, message):
    """The first demand that is so by itself, or else all of them."""
    with pytest.raises(ImpossibleError, match=f"no text of at most 12 tokens .*{re.escape(message)}: "):
        space("Word").sample(1, **demands)


@pytest.mark.parametrize(
    ("demands", "message"),
    [
        ({"must": ["the dog"]}, "the model cannot write dog"),
        ({"must": [" "]}, "a phrase is empty"),
        ({"must_not": [""]}, "a phrase is empty"),
        ({"length": "5"}, "length is '5': write MIN:MAX"),
        ({"length": "a:b"}, "write MIN:MAX"),
        ({"pattern": "("}, "is no expression"),
        ({"pattern": "a)(b"}, "is no expression"),
        ({"pattern": "[[a]b]"}, "is no expression"),
        ({"pattern": "a(?=b)"}, "looks ahead or behind: say it without"),
        ({"pattern": "(?<!a)b"}, "looks ahead or behind"),
        ({"pattern": r"(a)\1"}, "refers to a group: write out"),
        ({"pattern": "(?P<x>a)(?P=x)"}, "refers to a group"),
        ({"pattern": r"\bcat"}, "has a boundary of words: write out"),
        ({"pattern": "a$|b"}, "has an anchor inside: leave it out"),
        ({"pattern": "(^a)b"}, "has an anchor inside: leave it out"),
        ({"pattern": "a(?x: b)"}, "is verbose in a part: put (?x) before"),
        ({"pattern": "(?a)b"}, "the flag a or L: leave it out"),
        ({"pattern": r"\N{EM DASH}"}, "its name: write the character itself"),
        ({"pattern": "(?>a|ab)c"}, "is not regular"),
        ({"pattern": "\ud800"}, "is no expression"),
    ],
)
def test_what_cannot_be_understood_is_refused(demands, message):
    with pytest.raises(InputError, match=re.escape(message)):
        space("Word").sample(1, **demands)


def test_a_pattern_that_takes_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(patterns, "SECONDS", 0.2)
    with pytest.raises(InputError, match=r"too many states to compile in 0\.2 s"):
        compiled(".{0,40}cat.{0,41}")


def test_a_forbidden_word_that_cannot_be_written_is_no_demand():
    strategy = Greedy()
    assert constrained(space("Word"), strategy, must_not=["dog"]) is strategy


def test_unique_texts_are_different_and_end_with_an_error(monkeypatch):
    where = space("Word")
    texts = list(where.sample(30, length="1:2", unique=True))
    assert len({*texts}) == 30
    monkeypatch.setattr(sys.modules["latentia.operations.sample"], "DRAWS_WITHOUT_NEW", 100)
    found = where.sample(100, pattern="cat|sat|mat", unique=True, strategy=Ancestral(temperature=100.0))
    texts = list(itertools.islice(found, 3))
    assert {*texts} == {"cat", "sat", "mat"}
    with pytest.raises(ImpossibleError, match="100 different texts were not found, but 3"):
        next(found)


def test_samples_without_demands_are_what_they_were_and_as_many():
    where = space("Word")
    assert len(list(where.sample(600))) == 600


def test_reconstructions_meet_demands_too():
    where = space("Word")
    answers = list(where.reconstruct(["the cat sat", "", "a b"], must=["mat"], length=":4"))
    assert isinstance(answers[1], Refused)
    assert all("mat" in each.reconstruction.split() for each in (answers[0], answers[2]))


def test_settings_of_repetition_go_with_every_strategy():
    strategy = strategy_of("Beam", {"width": 2, "repetition_penalty": 1.5})
    assert isinstance(strategy, RepetitionControl)
    assert isinstance(strategy.strategy, Beam)
    assert (strategy.strategy.width, strategy.penalty, strategy.size) == (2, 1.5, 0)


@pytest.mark.parametrize(
    "strategy",
    [
        Greedy(),
        AllocatedBeam(),
        RepetitionControl(Greedy(), no_repeat=2),
        RepetitionControl(AllocatedBeam(), no_repeat=2),
    ],
)
def test_a_strategy_that_puts_phrases_off_is_told(strategy):
    where = space("Word")
    for answers in (
        where.sample(1, must=["cat"], strategy=strategy),
        where.reconstruct(["a cat"], must=["cat"], strategy=strategy),
    ):
        list(answers)
        told = "Greedy puts demanded phrases off" in " ".join(answers.remarks())
        assert told == isinstance(getattr(strategy, "strategy", strategy), Greedy)
        assert told == bool(answers.remarks())
