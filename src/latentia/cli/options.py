"""What the options of several commands have in common."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]

seed_option = partial(typer.Option, min=0, max=2**63 - 1)
"""A seed that every generator takes; needs its ``help``."""
