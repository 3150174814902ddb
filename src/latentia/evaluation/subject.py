"""What is measured: a trained model, and the texts that it is measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from latentia.data import Selection, Tokenizer
from latentia.decoding import Strategy, decode
from latentia.models import TextModel

Advance = Callable[[int], None]

ROWS_AT_A_TIME = 256


@dataclass(frozen=True)
class Subject:
    """A model in evaluation mode, its tokenizer, and what it is measured on.

    Attributes:
        model: The trained model.
        tokenizer: Its tokenizer.
        max_tokens: Longest text that is read or written, in tokens.
        held_out: What to measure on.
        training: What the model was trained on.
        validation: What training was watched on; a measure that fits something fits it here.
        seed: Of all noise.
    """

    model: TextModel
    tokenizer: Tokenizer
    max_tokens: int
    held_out: Selection
    training: Selection
    validation: Selection
    seed: int

    @property
    def steps(self) -> int:
        """Tokens that may be written, EOS counted."""
        return self.max_tokens + 1

    def centres(self, chosen: Selection) -> Float[Tensor, "N *code"]:
        """Return the code that stands for the posterior of each sequence, in the order of the selection."""
        parts = np.array_split(chosen.rows, -(-len(chosen) // ROWS_AT_A_TIME))
        with torch.no_grad():
            return torch.cat([self.model.centres(chosen.corpus.batch(part), self.steps) for part in parts])

    def written(
        self, codes: Float[Tensor, "N *code"], strategy: Strategy, advance: Advance = lambda _: None
    ) -> list[list[int]]:
        """Decode each code to ids, which end before EOS."""
        ids = []
        for part in codes.split(ROWS_AT_A_TIME):
            ids += decode(self.model.decoder(part[None]), strategy, self.max_tokens)
            advance(len(part))
        return ids

    def texts(self, ids: list[list[int]]) -> list[str]:
        """Return the text of each sequence of ids."""
        return [self.tokenizer.decode(sequence) for sequence in ids]
