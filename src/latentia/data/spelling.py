"""What tokens write: the bytes of each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from latentia.data.tokenizer import Tokenizer
from latentia.errors import InputError

PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
OTHERS = [byte for byte in range(256) if byte not in PRINTABLE]
BYTES = {chr(byte): byte for byte in PRINTABLE} | {chr(256 + place): byte for place, byte in enumerate(OTHERS)}
"""Byte of each character by which byte-level vocabularies write it."""


@dataclass(frozen=True)
class Spelling:
    """How token ids become text.

    Attributes:
        pieces: Bytes of UTF-8 that each token writes.
        separator: What is written between two tokens.
    """

    pieces: list[bytes]
    separator: bytes

    @property
    def of_words(self) -> bool:
        """Whether a token is a word."""
        return self.separator != b""


def spelling(tokenizer: Tokenizer) -> Spelling:
    """Return what each token of a tokenizer writes.

    Raises:
        InputError: If it writes in a way of its own.
    """
    decoder = json.loads(tokenizer.rust.to_str())["decoder"]
    kinds = [each["type"] for each in (decoder or {}).get("decoders", [decoder] if decoder else [])]
    tokens = [tokenizer.rust.id_to_token(token) or "" for token in range(tokenizer.vocabulary_size)]
    if not kinds:
        return Spelling([token.encode() for token in tokens], b" ")
    if kinds == ["ByteLevel"]:
        return Spelling([bytes(BYTES[character] for character in token) for token in tokens], b"")
    if kinds == ["ByteFallback", "Fuse"]:
        return Spelling([_byte_or_text(token) for token in tokens], b"")
    raise InputError(f"this tokenizer writes by {', '.join(kinds)}", "demand things of models with a tokenizer of ours")


def _byte_or_text(token: str) -> bytes:
    match = re.fullmatch(r"<0x([0-9A-F]{2})>", token)
    return bytes([int(match[1], 16)]) if match else token.encode()
