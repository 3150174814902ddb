"""Tokenizers: four ways to cut text, all trained and run by the Rust library ``tokenizers``."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers

from latentia.durable import make_folder, read_bounded, write_atomically
from latentia.errors import InputError, RunError, reason_of
from latentia.shapes import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, NonNegativeInt, PositiveInt

RESERVED = "|".join(token for token in SPECIAL_TOKENS if token != SPECIAL_TOKENS[UNK])

LONGEST_FILE = 2**28
"""Bytes of a file of a tokenizer; half a million words take thirty million."""

MAX_COUNTED = 2_000_000
"""Different words counted at a time while a vocabulary is trained."""


class Tokenizer:
    """Text to token ids and back; ids of PAD, BOS and EOS never come out of text."""

    def __init__(self, rust: tokenizers.Tokenizer) -> None:
        """Wrap a Rust tokenizer; reserved words in text are ordinary characters to it."""
        rust.encode_special_tokens = True
        self.rust = rust

    @property
    def vocabulary_size(self) -> int:
        """Tokens, the four special ones included."""
        return self.rust.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without BOS and EOS."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of many texts, without BOS and EOS.

        Raises:
            InputError: If a text holds a lone surrogate, which UTF-8 cannot write.
            RunError: If the file that the tokenizer was read from lets it fail.
        """
        words = self._words
        plain = [bool(words) and text.isascii() and text.isprintable() for text in texts]
        others = iter(self._cut([text for text, looked_up in zip(texts, plain, strict=True) if not looked_up]))
        return [
            [words.get(word, UNK) for word in text.split()] if looked_up else next(others)
            for text, looked_up in zip(texts, plain, strict=True)
        ]

    def _cut(self, texts: list[str]) -> list[list[int]]:
        """Let the library cut texts."""
        try:
            return [encoding.ids for encoding in self.rust.encode_batch_fast(texts, add_special_tokens=False)]
        except TypeError as error:
            raise InputError("a text is not valid Unicode", "remove its lone surrogates") from error
        except BaseException as error:  # noqa: BLE001 - a panic is no Exception
            raise _failure(error, "the tokenizer cannot cut a text") from None

    @cached_property
    def _words(self) -> dict[str, int]:
        """Ids of words where texts are cut at white space and nowhere else, as :class:`Word` does; else nothing.

        Looked up, a text of plain ASCII takes a sixth of the time that the library takes; what else is white space, the
        library knows.
        """
        parts = (self.rust.normalizer, self.rust.pre_tokenizer)
        if not isinstance(self.rust.model, models.WordLevel) or not all(map(_alike, parts, _at_white_space())):
            return {}
        if self.rust.truncation or self.rust.padding or self.rust.get_added_tokens_decoder():
            return {}
        return {**self.rust.get_vocab(), **dict.fromkeys(SPECIAL_TOKENS, UNK)}

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids up to the first EOS; PAD and BOS are left out, UNK is written."""
        ids = list(ids)
        end = ids.index(EOS) if EOS in ids else len(ids)
        written = [token for token in ids[:end] if token not in (PAD, BOS)]
        try:
            return self.rust.decode(written, skip_special_tokens=False)
        except BaseException as error:  # noqa: BLE001 - a panic is no Exception
            raise _failure(error, "the tokenizer cannot write a text") from None

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json`` and the ``tokenizer_config.json`` that lets ``transformers`` load it."""
        make_folder(folder)
        for name, content in self.files().items():
            write_atomically(folder / name, content)

    def files(self) -> dict[str, bytes]:
        """Return what :meth:`save` writes, by name."""
        pad, unknown, begin, end = SPECIAL_TOKENS
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "pad_token": pad,
            "unk_token": unknown,
            "bos_token": begin,
            "eos_token": end,
            "padding_side": "right",
            "split_special_tokens": True,
            "clean_up_tokenization_spaces": False,
        }
        return {
            "tokenizer.json": self.rust.to_str(pretty=True).encode(),
            "tokenizer_config.json": json.dumps(config, indent=1).encode(),
        }

    @classmethod
    def load(cls, folder: Path) -> "Tokenizer":
        """Read ``tokenizer.json``.

        Raises:
            RunError: If the file is missing, is no tokenizer, or numbers its tokens otherwise than those written here.
        """
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise RunError(f"{path} does not exist", "name a folder that `latentia train` wrote")
        content = read_bounded(path, LONGEST_FILE)
        try:
            rust = tokenizers.Tokenizer.from_str(content.decode())
        except BaseException as error:  # noqa: BLE001 - the Rust library raises a bare Exception, and panics
            raise _failure(error, f"{path} is no tokenizer") from None
        # What these would do at every call is a length and a memory that the file sets.
        rust.no_padding()
        rust.no_truncation()
        remedy = "use a tokenizer saved by latentia"
        if [rust.token_to_id(token) for token in SPECIAL_TOKENS] != list(range(len(SPECIAL_TOKENS))):
            raise RunError(f"{path} does not number {' '.join(SPECIAL_TOKENS)} from 0", remedy)
        if sorted(rust.get_vocab().values()) != list(range(rust.get_vocab_size())):
            raise RunError(f"{path} does not number its tokens from 0 without a gap", remedy)
        return cls(rust)


def _failure(error: BaseException, what: str) -> BaseException:
    """Name what failed where the Rust library did; what stops the program goes on."""
    if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
        return error
    reason = reason_of(error)[:200]
    return RunError(f"{what} ({reason})", "restore tokenizer.json from the run it belongs to")


class TokenizerKind(ABC):
    """Settings of a tokenizer that is trained on a corpus.

    Attributes:
        deaf: Whether it learns in the library, where no signal is heard before the end.
    """

    deaf = False

    @abstractmethod
    def train(self, texts: Iterable[str]) -> Tokenizer:
        """Learn the vocabulary from a stream of texts."""


class Word(TokenizerKind):
    """Words between white space, the literature's convention; rare words become UNK.

    Args:
        size: Largest number of words, the most frequent first; 0 takes all.
        minimum_count: Fewest occurrences of a word that is kept.
    """

    def __init__(self, size: NonNegativeInt = 20_000, minimum_count: PositiveInt = 1) -> None:
        """Take the limits."""
        self.size, self.minimum_count = size, minimum_count

    def train(self, texts: Iterable[str]) -> Tokenizer:
        """Count words; equal counts are ordered by spelling, so that the vocabulary does not depend on order."""
        counts = counted(text.split() for text in texts)
        frequent = [
            word for word, count in _ranked(counts) if count >= self.minimum_count and word not in SPECIAL_TOKENS
        ]
        rust = tokenizers.Tokenizer(
            models.WordLevel(_numbered(frequent[: self.size or None]), unk_token=SPECIAL_TOKENS[UNK])
        )
        rust.normalizer, rust.pre_tokenizer = _at_white_space()
        return Tokenizer(rust)


def _at_white_space() -> tuple[normalizers.Normalizer, pre_tokenizers.PreTokenizer]:
    """Cut at white space, and read reserved words as unknown ones."""
    reserved = Regex(rf"(?<!\S)({RESERVED})(?!\S)")
    return normalizers.Replace(reserved, SPECIAL_TOKENS[UNK]), pre_tokenizers.WhitespaceSplit()


def _alike(one: object, other: object) -> bool:
    """Tell whether two parts of a tokenizer are of one kind, with the same settings."""
    return type(one) is type(other) and one.__getstate__() == other.__getstate__()


class Char(TokenizerKind):
    """Unicode characters; one never seen in training is spelt in bytes, so that every text round-trips."""

    def train(self, texts: Iterable[str]) -> Tokenizer:
        """Count characters."""
        counts = counted(texts)
        in_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
        vocabulary = _numbered([*in_bytes, *(character for character, _ in _ranked(counts))])
        rust = tokenizers.Tokenizer(models.BPE(vocabulary, [], unk_token=SPECIAL_TOKENS[UNK], byte_fallback=True))
        rust.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
        return Tokenizer(rust)


class Byte(TokenizerKind):
    """The 256 bytes of UTF-8; needs no training and knows every text."""

    def train(self, texts: Iterable[str]) -> Tokenizer:
        """Return the tokenizer; the texts are not read."""
        rust = tokenizers.Tokenizer(models.BPE(_numbered(_byte_alphabet()), [], unk_token=SPECIAL_TOKENS[UNK]))
        rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        rust.decoder = decoders.ByteLevel()
        return Tokenizer(rust)


class BPE(TokenizerKind):
    """Byte-pair encoding over bytes, trained on the corpus (Sennrich, Haddow and Birch, 2016)."""

    deaf = True

    def __init__(self, size: PositiveInt = 8_000) -> None:
        """Take the size of the vocabulary, special tokens and bytes included."""
        self.size = size

    def train(self, texts: Iterable[str]) -> Tokenizer:
        """Learn the merges."""
        rust = tokenizers.Tokenizer(models.BPE())
        rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        rust.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=max(self.size, 260),
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=_byte_alphabet(),
            show_progress=False,
        )
        rust.train_from_iterator(iter(texts), trainer)
        return Tokenizer(rust)


def counted(groups: Iterable[Iterable[str]], limit: int = MAX_COUNTED) -> Counter[str]:
    """Count items in bounded memory: above ``limit`` different ones the rarer half is forgotten.

    Up to the limit the counts are exact; after that, those of items as rare as the forgotten ones may be too low.
    """
    counts: Counter[str] = Counter()
    for group in groups:
        counts.update(group)
        if len(counts) > limit:
            counts = Counter(dict(_ranked(counts)[: limit // 2]))
    return counts


def _byte_alphabet() -> list[str]:
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _numbered(tokens: Sequence[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate([*SPECIAL_TOKENS, *tokens])}
