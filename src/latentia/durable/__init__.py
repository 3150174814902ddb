"""Files that survive: written whole or not at all, vouched for by a manifest, in a folder that one process writes."""

from latentia.durable.lock import locked, require_unheld
from latentia.durable.manifest import (
    LONGEST,
    MANIFEST,
    Manifest,
    read_manifest,
    replace_vouched,
    require_whole,
    vouch,
    vouched,
)
from latentia.durable.reading import read_bounded, readable
from latentia.durable.writing import (
    Entry,
    append,
    append_line,
    beside,
    commit_folder,
    entry_of,
    exchange_folder,
    make_folder,
    stored,
    sweep,
    sync,
    write_atomically,
    write_new,
    written_for,
)

__all__ = [
    "LONGEST",
    "MANIFEST",
    "Entry",
    "Manifest",
    "append",
    "append_line",
    "beside",
    "commit_folder",
    "entry_of",
    "exchange_folder",
    "locked",
    "make_folder",
    "read_bounded",
    "read_manifest",
    "readable",
    "replace_vouched",
    "require_unheld",
    "require_whole",
    "stored",
    "sweep",
    "sync",
    "vouch",
    "vouched",
    "write_atomically",
    "write_new",
    "written_for",
]
