"""Who may ask: keys of which only the SHA-256 is kept."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from pathlib import Path

from latentia.errors import InputError
from latentia.server.problems import ProblemError

VARIABLE = "LATENTIA_API_KEYS"
"""Environment variable with the SHA-256 of each key, in hexadecimal digits, separated by spaces or commas."""

SHA256 = re.compile(r"[0-9a-f]{64}")


class Keys:
    """Checks keys against their hashes; without any, everybody may ask.

    Args:
        hashes: SHA-256 of each key, in hexadecimal digits.

    Raises:
        InputError: If one is none.
    """

    def __init__(self, hashes: list[str]) -> None:
        """Keep the hashes."""
        if any(not SHA256.fullmatch(each) for each in hashes):
            raise InputError("a key is no SHA-256 in 64 hexadecimal digits", "write what sha256sum prints of the key")
        self._hashes = [bytes.fromhex(each) for each in hashes]

    def __bool__(self) -> bool:
        """Tell whether a key is needed."""
        return bool(self._hashes)

    @classmethod
    def read(cls, file: str) -> Keys:
        """Read hashes from a file, the first word of each line that is no comment, and from the environment.

        Raises:
            InputError: If the file cannot be read, or one is no hash.
        """
        try:
            lines = Path(file).read_text(encoding="utf-8").splitlines() if file else []
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file} cannot be read ({error})", "name a file of hashed keys") from None
        listed = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
        return cls([*listed, *re.findall(r"[^\s,]+", os.environ.get(VARIABLE, ""))])

    def require(self, authorization: bytes) -> None:
        """Refuse who has no key. All hashes are compared, each in the same time whatever was sent.

        Raises:
            ProblemError: If keys are needed and this is none.
        """
        if not self._hashes:
            return
        scheme, _, key = authorization.partition(b" ")
        given = hashlib.sha256(key.strip()).digest()
        matches = [hmac.compare_digest(given, each) for each in self._hashes]
        if scheme.lower() != b"bearer" or not any(matches):
            problem = "the request has no valid key"
            raise ProblemError(401, problem, "send Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"})
