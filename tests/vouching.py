"""Manifests of folders that a test has altered, so that it meets the checks behind them."""

from __future__ import annotations

from pathlib import Path

from latentia.durable import MANIFEST, Manifest, entry_of, read_manifest


def revouch(folder: Path) -> None:
    """Let the manifest say of each file what it now is, as one does who means to deceive."""
    manifest = read_manifest(folder)
    entries = {name: entry_of((folder / name).read_bytes()) for name in manifest.files if (folder / name).is_file()}
    (folder / MANIFEST).write_bytes(Manifest(entries).encode())
