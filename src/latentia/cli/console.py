"""The two consoles: results on one, progress and remarks on the other."""

from __future__ import annotations

from rich.console import Console

results = Console(highlight=False, soft_wrap=True)
remarks = Console(stderr=True, highlight=False, soft_wrap=True)
