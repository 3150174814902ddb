"""Manifests: JSON that says of each file of a folder how long it is and what its SHA-256 is.

A manifest tells damage and mixed-up files, not malice: whoever can change a file can change the manifest.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from latentia.durable.reading import SMALL, is_file, is_there, pieces, read_bounded
from latentia.durable.writing import Entry, entry_of, stored, write_atomically
from latentia.errors import RunError, StorageError

MANIFEST = "manifest.json"
FORMAT = 2
LONGEST = 2**40
"""Bytes of a file that is read whole, if the memory takes it."""

Content = TypeVar("Content")

_READS = 8
_RESTORE = "restore the folder from a copy, all files of it together"


@dataclass(frozen=True)
class Manifest:
    """The files of a folder.

    Attributes:
        files: What each file is.
        before: What a file may still be, where the write that this manifest announced was cut short.
    """

    files: Mapping[str, Entry]
    before: Mapping[str, Entry] = field(default_factory=dict)

    def fits(self, name: str, entry: Entry) -> bool:
        """Tell whether a content is one that the manifest vouches for."""
        return entry in (self.files.get(name), self.before.get(name))

    def fits_in_length(self, name: str, size: int) -> bool:
        """Tell whether a file of so many bytes can be one that the manifest vouches for."""
        return any(name in part and part[name].bytes == size for part in (self.files, self.before))

    def encode(self) -> bytes:
        """Return the file: JSON with a seal, the SHA-256 of everything else in it."""
        return _encoded(self._content())

    def _content(self) -> dict[str, Any]:
        parts = {"files": self.files, "before": self.before}
        return {"format": FORMAT, **{key: {name: asdict(each[name]) for name in each} for key, each in parts.items()}}


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of a folder; ``None`` where there is none.

    Raises:
        RunError: If it was altered, or is no manifest that this version reads.
    """
    path = folder / MANIFEST
    if not is_there(path):
        return None
    content = read_bounded(path, SMALL)
    try:
        manifest = _decoded(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise RunError(f"{path} is no manifest", _RESTORE) from None
    if manifest.encode() != content and _unsealed(manifest) != content:
        raise RunError(f"{path} was altered: it does not agree with its seal", _RESTORE)
    return manifest


def vouch(folder: Path, names: Sequence[str]) -> None:
    """Take files that are there, and that the manifest does not know yet, into it.

    Raises:
        StorageError: If the disk does not take it.
    """
    manifest = read_manifest(folder) or Manifest({})
    new = {name: _entry_in(folder / name) for name in names if name not in manifest.files and is_file(folder / name)}
    if new:
        write_manifest(folder, Manifest({**manifest.files, **new}, manifest.before))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder.

    Raises:
        StorageError: If the disk does not take it.
    """
    write_atomically(folder / MANIFEST, manifest.encode())


def replace_vouched(folder: Path, name: str, content: bytes) -> None:
    """Replace a file that a manifest vouches for; at every moment what is there is what the manifest says.

    The manifest is written first and names the content that is to come beside the one that is there.

    Raises:
        StorageError: If the disk does not take it; then the file before is there still.
    """
    manifest = read_manifest(folder)
    if manifest is not None:
        with stored(folder / name):
            standing = (folder / name).is_file()
        known = {name: _standing(folder / name)} if standing else {}
        before = known if known and manifest.fits(name, known[name]) else {}
        write_manifest(folder, Manifest({**manifest.files, name: entry_of(content)}, before))
    write_atomically(folder / name, content)


def vouched(folder: Path, name: str, most: int = LONGEST) -> bytes:
    """Read a file and return its content if it is what the manifest says; without a manifest, as it is.

    Raises:
        RunError: If file or manifest is missing, cut short or altered.
    """
    return _checked(folder, name, lambda path: read_bounded(path, most), entry_of)


def require_whole(folder: Path, names: Sequence[str]) -> None:
    """Check files against the manifest, a piece at a time; without a manifest there is nothing to check.

    Raises:
        RunError: If one is missing, cut short, altered or not named.
    """
    for name in names:
        _checked(folder, name, _entry_in, lambda entry: entry)


def _checked(folder: Path, name: str, read: Callable[[Path], Content], describe: Callable[[Content], Entry]) -> Content:
    """Read a file as its manifest has it; one of another length is not read.

    Whoever trains there may write a new file between the two reads; then there is a new manifest too.
    """
    manifest = read_manifest(folder)
    for _ in range(_READS):
        found = _length(folder / name)
        if manifest is None or found < 0 or manifest.fits_in_length(name, found):
            content = read(folder / name)
            entry = describe(content)
            if manifest is None or manifest.fits(name, entry):
                return content
            found = entry.bytes
        known, manifest = manifest, read_manifest(folder)
        if manifest == known:
            break
    raise _altered(folder, name, manifest, found)


def _length(path: Path) -> int:
    """Return the bytes of a regular file; -1 for anything else, which a reader refuses."""
    try:
        status = path.stat()
    except OSError:
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def _entry_in(path: Path) -> Entry:
    """Describe a file, reading it a piece at a time."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces(path):
        digest.update(piece)
        size += len(piece)
    return Entry(size, digest.hexdigest())


def _standing(path: Path) -> Entry:
    """Describe a file that is to be replaced.

    Raises:
        StorageError: If it cannot be read: whoever replaces it has nothing to restore it from.
    """
    try:
        return _entry_in(path)
    except RunError as error:
        raise StorageError(error.message, "check the disk; what was saved before is as it was") from None


def _altered(folder: Path, name: str, manifest: Manifest | None, found: int) -> RunError:
    entry = manifest.files.get(name) if manifest else None
    path = folder / name
    if entry is None:
        return RunError(f"{path} is not in {folder / MANIFEST}", _RESTORE)
    if found != entry.bytes:
        return RunError(f"{path} has {found:,} bytes where its manifest says {entry.bytes:,}", _RESTORE)
    return RunError(f"{path} was altered: its SHA-256 is not that of its manifest", _RESTORE)


def _decoded(tree: dict[str, Any]) -> Manifest:
    """Read a manifest of this format, or of the one before, which had nothing but the files."""
    if "format" not in tree:
        return Manifest(_entries(tree))
    if tree["format"] != FORMAT:
        raise ValueError(tree["format"])
    return Manifest(_entries(tree["files"]), _entries(tree["before"]))


def _entries(tree: Mapping[str, Mapping[str, Any]]) -> dict[str, Entry]:
    return {name: _entry(**entry) for name, entry in tree.items()}


def _entry(bytes: object, sha256: object) -> Entry:  # noqa: A002 - the key of the file
    """Read what a manifest says of one file.

    Raises:
        ValueError: If it is not a length and a digest.
    """
    if type(bytes) is not int or not 0 <= bytes <= LONGEST or not isinstance(sha256, str):
        raise ValueError(bytes)
    return Entry(bytes, sha256)


def _encoded(content: dict[str, Any]) -> bytes:
    return _json({**content, "seal": entry_of(_json(content)).sha256})


def _unsealed(manifest: Manifest) -> bytes:
    """Return the file as the format before had it."""
    return _json({name: asdict(entry) for name, entry in manifest.files.items()})


def _json(content: object) -> bytes:
    return json.dumps(content, indent=1).encode()
