"""The letters of every shape annotation, the special tokens, and the ranges of settings.

Letters: ``S`` posterior samples, ``B`` examples of a batch, ``T`` tokens of the longest example
(end of sequence counted), ``V`` vocabulary, ``D`` latent dimensions, ``H`` hidden features,
``K`` components of a mixture, ``N`` rows where the leading axes do not matter.
"""

import math
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

PAD, UNK, BOS, EOS = 0, 1, 2, 3
SILENT = (PAD, BOS)
"""Tokens that are read and never written."""

SPECIAL_TOKENS = ("<pad>", "<unk>", "<bos>", "<eos>")

PositiveInt = Annotated[int, Ge(1), Lt(2**63)]
AtLeastTwo = Annotated[int, Ge(2)]
NonNegativeInt = Annotated[int, Ge(0)]
Count = Annotated[int, Ge(1), Le(10_000)]
Several = Annotated[int, Ge(2), Le(10_000)]
"""Numbers of what is held in memory together."""

TokenCount = Annotated[int, Ge(1), Le(2**20)]
"""Tokens of a text, which has a megabyte at most, and a byte a token."""

PositiveFloat = Annotated[float, Gt(0.0), Lt(math.inf)]
FiniteFloat = Annotated[float, Gt(-math.inf), Lt(math.inf)]
NonNegativeFloat = Annotated[float, Ge(0.0), Lt(math.inf)]
Share = Annotated[float, Ge(0.0), Le(1.0)]
ShareBelowOne = Annotated[float, Ge(0.0), Lt(1.0)]
InnerShare = Annotated[float, Gt(0.0), Lt(1.0)]
