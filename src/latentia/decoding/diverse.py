"""Groups of beams that differ from each other."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from latentia.decoding.allocated import BeamSearch, Continuations
from latentia.decoding.base import Scores
from latentia.errors import InputError
from latentia.functional.streams import uniforms
from latentia.shapes import PAD


class DiverseBeam(BeamSearch):
    r"""Groups of beams that shun the tokens which groups before them chose at the same step.

    .. math:: \log p(x_{\le t} \mid z) - \lambda \, \#\{\text{sequences of groups } h < g \text{ that end in } x_t\}

    Continuations are compared by this, sequences at the end by their probability. The answer for a code is the best of
    one group, drawn at random, so that equal codes give different texts.

    Args:
        width: Partial sequences kept a code, all groups together.
        groups: Groups that they are shared over.
        diversity: ``lambda``, in nats a sequence.
        length_penalty: ``alpha``, the power of the length that divides log-probabilities; 0 favours short sequences.

    Source: Vijayakumar et al., Diverse Beam Search, 2018, section 4, with the Hamming diversity.

    Raises:
        InputError: If the groups do not share the width evenly, or the diversity is negative.
    """

    def __init__(self, width: int = 6, groups: int = 3, diversity: float = 0.5, length_penalty: float = 0.0) -> None:
        """Check and keep the settings."""
        super().__init__(width, length_penalty)
        if groups < 1 or width % groups:
            raise InputError(f"groups is {groups}", f"give a number that divides the width of {width}")
        if not diversity >= 0:
            raise InputError(f"diversity is {diversity}", "give 0 or more nats")
        self.groups, self.diversity = groups, diversity

    def chosen(self, continuations: Continuations) -> Int[Tensor, "N W"]:
        """Let one group after another choose its best."""
        size, vocabulary = self.width // self.groups, continuations.ranks.shape[-1]
        taken = torch.zeros_like(continuations.ranks[:, 0])
        kept = []
        for group, ranks in enumerate(continuations.ranks.split(size, dim=1)):
            number = (ranks - self.diversity * taken[:, None]).flatten(1).topk(size, dim=1).indices
            kept.append(number + group * size * vocabulary)
            said = one_hot(number % vocabulary, vocabulary).sum(dim=1)
            said[:, PAD] = 0  # of ended sequences, which say nothing
            taken = taken + said
        return torch.cat(kept, dim=1)

    def best(self, ranks: Float[Tensor, "N W"], scores: Scores) -> Int[Tensor, " N"]:
        """Draw a group and take its best."""
        size = self.width // self.groups
        group = (uniforms(scores.streams(len(ranks)), 0) * self.groups).long()[:, None, None].to(ranks.device)
        grouped = ranks.view(len(ranks), self.groups, size)
        ranks = grouped.take_along_dim(group, dim=1)[:, 0]
        return ranks.argmax(dim=1) + group[:, 0, 0] * size

    def first(self) -> list[int]:
        """One beginning a group."""
        return list(range(0, self.width, self.width // self.groups))
