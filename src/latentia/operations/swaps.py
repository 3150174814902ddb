"""Texts of which only the words change that a moved code speaks against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from latentia.data import Selection, Tokenizer
from latentia.decoding import Template, search_blanks
from latentia.operations.space import Space

WIDTH = 5
"""Partial sequences that a search keeps."""


@torch.no_grad()
def swapped(
    space: Space, chosen: Selection, codes: Float[Tensor, "N D"], moved: Float[Tensor, "N D"], counts: Iterable[int]
) -> Iterator[list[str]]:
    r"""Rewrite the tokens of each text that lose most when its code is moved, as the moved code would have them.

    .. math:: \log p(x_t \mid x_{<t}, z) - \log p(x_t \mid x_{<t}, z')

    is what token ``t`` loses. The new tokens are those with which a beam finds the whole text most probable; all others
    stay.

    Args:
        space: Where the texts are encoded.
        chosen: The texts.
        codes: Where they are.
        moved: Where their codes were moved.
        counts: How many tokens to rewrite; all texts are yielded once for each number.
    """
    losses, tokens = losses_of(space, chosen, codes, moved), list(chosen.tokens())
    likelihood, texts = space.model.decoder(moved[None]), list(chosen.texts())
    for count in counts:
        rows = [(ids, _largest(own[: len(ids)], count)) for own, ids in zip(losses, tokens, strict=True)]
        filled, _ = search_blanks(likelihood, Template.of(rows), WIDTH)
        columns = zip(texts, filled.tolist(), rows, strict=True)
        yield [_written(space.tokenizer, text, ids[: len(blank)], blank) for text, ids, (_, blank) in columns]


def losses_of(
    space: Space, chosen: Selection, codes: Float[Tensor, "N D"], moved: Float[Tensor, "N D"]
) -> Float[Tensor, "N T"]:
    """Return what each token loses of its log-probability in nats, 0 at padding."""
    batch = chosen.whole()
    before, after = (space.model.decoder(each[None]).token_log_prob(batch)[0] for each in (codes, moved))
    lost: Tensor = before - after
    return lost


def _largest(losses: Float[Tensor, " T"], count: int) -> list[bool]:
    """Tell which are the largest."""
    chosen = torch.zeros(len(losses), dtype=torch.bool)
    chosen[losses.topk(min(count, len(losses))).indices] = True
    return [bool(each) for each in chosen]


def _written(tokenizer: Tokenizer, text: str, ids: list[int], blank: list[bool]) -> str:
    """Spell a text; where tokens are words, those that stay are the text's own, known to the model or not."""
    words = text.split()
    if len(words) != len(ids):
        return tokenizer.decode(ids)
    pieces = zip(words, ids, blank, strict=True)
    return " ".join(tokenizer.decode([token]) if new else word for word, token, new in pieces)
