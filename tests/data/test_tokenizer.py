"""Tokenizers: exact round trips, reserved words that never become special ids, files that others can load."""

from __future__ import annotations

import json

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

from latentia.data import BPE, Byte, Char, Tokenizer, Word
from latentia.data.tokenizer import counted
from latentia.errors import InputError, RunError
from latentia.shapes import BOS, EOS, PAD, SPECIAL_TOKENS, UNK

TEXTS = ["the cat sat on the mat", "the dog ate the <unk>", "a cat , a dog & the café", "N dogs <eos> sat"]
KINDS = {"word": Word(), "char": Char(), "byte": Byte(), "bpe": BPE(300)}
TRAINED = {name: kind.train(TEXTS) for name, kind in KINDS.items()}
EXACT = [name for name in KINDS if name != "word"]
NASTY = [
    *("<pad>", "<bos> a <eos>", "a<pad>b", "<0x41> <0xff>", " the  cat ", "\u2028x\x85y"),
    *("👩\u200d🚀 e\u0301 \uff21", "\x00\x1f", "Ġ Ċ"),
]

every_kind = pytest.mark.parametrize("name", KINDS)


@every_kind
def test_special_tokens_have_their_ids(name):
    tokenizer = TRAINED[name]
    assert [tokenizer.rust.token_to_id(token) for token in SPECIAL_TOKENS] == [PAD, UNK, BOS, EOS]


@every_kind
def test_texts_of_the_corpus_come_back(name):
    tokenizer = TRAINED[name]
    for text in TEXTS[:3]:
        assert tokenizer.decode(tokenizer.encode(text)) == text


@every_kind
@pytest.mark.parametrize("text", [*TEXTS, *NASTY])
def test_no_text_spells_padding_beginning_or_end(name, text):
    ids = TRAINED[name].encode(text)
    assert not {PAD, BOS, EOS} & set(ids)
    assert max(ids, default=0) < TRAINED[name].vocabulary_size


@pytest.mark.parametrize("space", [chr(code) for code in range(0x110000) if chr(code).isspace()])
def test_reserved_words_are_unknown_beside_every_white_space(space):
    tokenizer = Word().train(["the <pad> cat <eos>", f"the{space}<bos>{space}cat"])
    assert not {PAD, BOS, EOS} & set(tokenizer.encode(f"<pad>{space}<bos>{space}the{space}<eos>"))


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("text", NASTY)
def test_nasty_texts_come_back_exactly(name, text):
    assert TRAINED[name].decode(TRAINED[name].encode(text)) == text


@pytest.mark.parametrize("name", EXACT)
@given(text=st.text(st.characters(codec="utf-8")))
def test_any_text_comes_back_exactly(name, text):
    ids = TRAINED[name].encode(text)
    assert TRAINED[name].decode(ids) == text
    assert not {PAD, UNK, BOS, EOS} & set(ids)


@given(text=st.text(st.characters(codec="utf-8")))
def test_a_word_is_one_token(text):
    # Python alone takes the four separators below for white space; Unicode does not.
    words = [word for word in text.split() if not set(word) & set("\x1c\x1d\x1e\x1f")]
    ids = TRAINED["word"].encode(" ".join(words))
    assert len(ids) == len(words)
    assert not {PAD, BOS, EOS} & set(ids)


@every_kind
def test_decoding_stops_at_the_end_and_leaves_out_padding_and_beginning(name):
    tokenizer = TRAINED[name]
    ids = tokenizer.encode("the cat")
    assert tokenizer.decode([BOS, *ids, EOS, *ids, PAD]) == "the cat"
    assert tokenizer.decode([BOS, PAD, EOS]) == ""
    assert tokenizer.decode([UNK]) == "<unk>"


@every_kind
def test_a_batch_is_encoded_as_its_texts_are(name):
    assert TRAINED[name].encode_batch(TEXTS) == [TRAINED[name].encode(text) for text in TEXTS]


BLANKS = [" ", "  ", "\t", "\x1c", "\x85"]
PIECES = st.sampled_from(["the", "cat", "purple", "THE", "é", "a<pad>b", *BLANKS, *SPECIAL_TOKENS])


@given(st.lists(st.lists(PIECES).map("".join)))
def test_words_that_are_looked_up_are_those_that_the_library_finds(texts):
    tokenizer = TRAINED["word"]
    found = [encoding.ids for encoding in tokenizer.rust.encode_batch(texts, add_special_tokens=False)]
    assert tokenizer.encode_batch(texts) == found


@pytest.mark.parametrize(
    "change",
    [
        lambda rust: setattr(rust, "normalizer", Lowercase()),
        lambda rust: setattr(rust, "pre_tokenizer", Whitespace()),
        lambda rust: rust.enable_truncation(1),
        lambda rust: rust.add_tokens([AddedToken("ca")]),
    ],
)
def test_of_another_tokenizer_of_words_no_word_is_looked_up(change):
    rust = tokenizers.Tokenizer.from_str(TRAINED["word"].rust.to_str())
    change(rust)
    texts = ["THE cat, sat", "the cat"]
    found = [encoding.ids for encoding in rust.encode_batch(texts, add_special_tokens=False)]
    assert Tokenizer(rust).encode_batch(texts) == found != TRAINED["word"].encode_batch(texts)


@every_kind
def test_a_lone_surrogate_is_an_error(name):
    with pytest.raises(InputError, match="not valid Unicode"):
        TRAINED[name].encode("a \ud800")


def test_words_are_numbered_by_frequency_then_spelling():
    tokenizer = Word().train(["b a c c", "b d <unk> <pad>"])
    assert [tokenizer.rust.id_to_token(index) for index in range(4, 8)] == ["b", "c", "a", "d"]
    assert tokenizer.vocabulary_size == 8
    assert tokenizer.rust.to_str() == Word().train(["b d <unk> <pad>", "b a c c"]).rust.to_str()


def test_rare_words_are_unknown():
    assert Word(size=2).train(["b a c c b"]).encode("a b c") == [UNK, 4, 5]
    assert Word(minimum_count=2).train(["b a c c b"]).encode("a b c") == [UNK, 4, 5]


def test_sizes_are_as_said():
    assert TRAINED["byte"].vocabulary_size == 260
    assert 260 < TRAINED["bpe"].vocabulary_size <= 300
    assert BPE(300).train([]).vocabulary_size == 260


def test_counting_is_exact_below_the_limit_and_bounded_above():
    words = [f"rare{number}" for number in range(500)]
    groups = [["often", word] for word in words]
    assert counted(groups, limit=10_000)["often"] == 500
    bounded = counted(groups, limit=100)
    assert len(bounded) <= 101
    assert bounded["often"] == 500


@every_kind
def test_a_saved_tokenizer_is_the_same(name, tmp_path):
    TRAINED[name].save(tmp_path / "run")
    loaded = Tokenizer.load(tmp_path / "run")
    assert loaded.encode_batch([*TEXTS, *NASTY]) == TRAINED[name].encode_batch([*TEXTS, *NASTY])
    assert loaded.rust.to_str() == TRAINED[name].rust.to_str()


@pytest.fixture(scope="module")
def transformers():
    return pytest.importorskip("transformers")


@every_kind
@pytest.mark.filterwarnings("default")
def test_transformers_loads_the_folder_and_gives_the_same_ids(name, tmp_path, transformers):
    TRAINED[name].save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in [*TEXTS, *NASTY]:
        assert theirs(text).input_ids == TRAINED[name].encode(text)
    special = (theirs.pad_token_id, theirs.unk_token_id, theirs.bos_token_id, theirs.eos_token_id)
    assert special == (PAD, UNK, BOS, EOS)
    assert len(theirs) == TRAINED[name].vocabulary_size
    assert theirs.padding_side == "right"
    assert theirs.decode(TRAINED[name].encode("the cat sat")) == "the cat sat"


def test_a_folder_without_tokenizer_is_an_error(tmp_path):
    with pytest.raises(RunError, match=r"tokenizer\.json does not exist"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": 1}', "\0", '{"version": "1.0"}'])
def test_a_broken_file_is_an_error(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(RunError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path)


def test_a_tokenizer_with_other_special_tokens_is_refused(tmp_path):
    TRAINED["byte"].save(tmp_path)
    path = tmp_path / "tokenizer.json"
    tree = json.loads(path.read_text())
    vocabulary = tree["model"]["vocab"]
    vocabulary["<eos>"], vocabulary["<bos>"] = vocabulary["<bos>"], vocabulary["<eos>"]
    path.write_text(json.dumps(tree))
    with pytest.raises(RunError, match="does not number"):
        Tokenizer.load(tmp_path)


def altered(folder, name, **changes):
    TRAINED[name].save(folder)
    path = folder / "tokenizer.json"
    tree = json.loads(path.read_text())
    path.write_text(json.dumps(tree | {key: change(tree[key]) for key, change in changes.items()}))
    return Tokenizer.load(folder)


def numbered(*pairs):
    return lambda model: {**model, "vocab": {**model["vocab"], **dict(pairs)}}


@pytest.mark.parametrize("model", [numbered(("new", 10**6)), numbered(("a", 5), ("b", 5))])
def test_tokens_that_are_not_numbered_without_a_gap_are_refused(tmp_path, model):
    with pytest.raises(RunError, match=r"tokenizer\.json does not number its tokens"):
        altered(tmp_path, "word", model=model)


@pytest.mark.parametrize(("length", "stride"), [(0, 0), (2, 2), (1, 5)])
def test_a_file_sets_no_length(tmp_path, length, stride):
    truncation = {"direction": "Right", "max_length": length, "strategy": "LongestFirst", "stride": stride}
    padding = {"strategy": {"Fixed": 10**4}, "direction": "Right", "pad_to_multiple_of": None}
    padding |= {"pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>"}
    read = altered(tmp_path, "word", truncation=lambda _: truncation, padding=lambda _: padding)
    assert read.encode("a b a b\xe9") == TRAINED["word"].encode("a b a b\xe9")


@pytest.mark.parametrize(
    ("part", "content", "does"),
    [
        ("normalizer", {"type": "Precompiled", "precompiled_charsmap": "AAAA"}, lambda read: read),
        ("pre_tokenizer", {"type": "FixedLength", "length": 0}, lambda read: read.encode("a b\xe9")),
        (
            "decoder",
            {"type": "Strip", "content": "a", "start": 9, "stop": 9},
            lambda read: read.decode(read.encode("a")),
        ),
    ],
)
def test_a_file_at_which_the_library_panics_is_an_error(tmp_path, part, content, does):
    with pytest.raises(RunError, match=r"tokenizer .*: restore tokenizer\.json"):
        does(altered(tmp_path, "word", **{part: lambda _: content}))
