"""Latent spaces of sequences that are neither collapsed nor full of holes, and numbers that say so.

``latentia.load(run)`` opens a trained run as a :class:`TextSpace`. Importing the package alone loads
nothing heavy: the names below arrive on first use, so that ``latentia --help`` never waits for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latentia.operations import TextSpace
    from latentia.recipes.pretrained import from_pretrained
    from latentia.recipes.runs import load
    from latentia.recipes.scikit_learn import LatentTransformer

__version__ = "0.1.0"
__all__ = ["LatentTransformer", "TextSpace", "__version__", "from_pretrained", "load"]

_HOMES = {
    "LatentTransformer": "latentia.recipes.scikit_learn",
    "TextSpace": "latentia.operations",
    "from_pretrained": "latentia.recipes.pretrained",
    "load": "latentia.recipes.runs",
}


def __getattr__(name: str) -> object:
    """Import a public name where it lives, on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latentia' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
