"""Two ways to fill the gaps of a text: draws of a Markov chain, and the fills that alternate inference settles on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latentia.decoding import Template, draw_blanks, search_blanks
from latentia.models import TextModel
from latentia.operations.blanks import Blanked, Fill, Fills
from latentia.records import Batch
from latentia.shapes import UNK

CHAINS, CANDIDATES = 16, 4
"""Chains of a text, and what each chooses from at every move, its state among them."""

DEFENSIVE = 0.25
"""Share of the proposed codes that come from the prior."""

DRAWS = 8
"""Codes by which the evidence of a text is estimated."""

STARTS, WIDTH, ROUNDS = 8, 5, 20
"""Of alternating inference: places to start at, partial sequences of a beam, most rounds."""


class Completion:
    r"""The gaps of one text under a model: fills ``b`` and code ``z`` given the known tokens ``k``.

    .. math:: p(b, z \mid k) \propto p(z) \, p(x(b, k) \mid z)

    over fills of tokens that may fill a blank, of every size that a gap may have.

    Args:
        model: In evaluation mode.
        text: With gaps.
    """

    def __init__(self, model: TextModel, text: Blanked) -> None:
        """Keep the parts."""
        self.model, self.text = model, text
        self.prior = model.unit_prior()

    @torch.no_grad()
    def draws(self, sweeps: int) -> list[list[Fills]]:
        """Return the fills of all chains after each sweep.

        A move chooses among the state and proposals by their importance weights, which leaves the target as it is:
        codes are proposed by the posterior of the filled text, mixed with the prior, and the tokens of a gap by the
        decoder from left to right.

        Source: Andrieu, Lee and Vihola, Uniform Ergodicity of the Iterated Conditional SMC and Geometric Ergodicity of
        Particle Gibbs Samplers, 2018; Tjelmeland, Using All Metropolis-Hastings Proposals to Estimate Mean
        Values, 2004.
        """
        fills, codes = self.started(CHAINS)
        visited = []
        for _ in range(sweeps):
            codes = self._renewed_codes(fills, codes)
            for gap in range(len(self.text.sizes)):
                fills = self._renewed_gap(fills, codes, gap)
            visited.append(fills)
        return visited

    @torch.no_grad()
    def modes(self) -> tuple[list[Fills], list[bool]]:
        """Return where each start ends, and whether it rests there; codes are centres of posteriors, fills a beam's.

        The two are found in turn, which need not end: the centre is no maximum of what the beam climbs.

        Source: Bowman et al., Generating Sentences from a Continuous Space, 2016; Besag, On the
        Statistical Analysis of Dirty Pictures, 1986.
        """
        fills, codes = self.started(STARTS)
        at_rest = [False] * len(fills)
        for _ in range(ROUNDS):
            before = fills
            for gap in range(len(self.text.sizes)):
                fills = self._best_gap(fills, codes, gap)
            at_rest = [now == then for now, then in zip(fills, before, strict=True)]
            if all(at_rest):
                break
            codes = self.model.centres(self._batch(fills), 0)
        return fills, at_rest

    @torch.no_grad()
    def log_evidence(self, fills: Sequence[Fills]) -> Float[Tensor, " F"]:
        r"""Estimate :math:`\log p(x)` of filled texts, by which :math:`p(b \mid k)` orders fills.

        .. math:: \log \frac1K \sum_k \frac{p(z_k) \, p(x \mid z_k)}{q(z_k)}, \qquad z_k \sim q
        """
        found = []
        for start in range(0, len(fills), CHAINS):
            part = list(fills[start : start + CHAINS])
            codes, log_ratio = self._proposed(part, DRAWS)
            found.append((self.model.decoder(codes).log_prob(self._batch(part)) + log_ratio).logsumexp(dim=0))
        return torch.cat(found) - math.log(DRAWS)

    @torch.no_grad()
    def started(self, chains: int) -> tuple[list[Fills], Float[Tensor, "C D"]]:
        """Draw fills and codes of each chain from what is known alone, and keep one by its importance weight.

        No draft is shared: chains that began at copies of one state would agree whether or not they have mixed.
        """
        count = chains * CANDIDATES
        fills = [self._opened() for _ in range(count)]
        codes, log_ratio = self._proposed(fills, 1)
        every = range(len(self.text.sizes))
        template = Template.of([self.text.opened(each, every) for each in fills])
        tokens, log_weight = draw_blanks(self.model.decoder(codes), template, torch.zeros(count, dtype=torch.bool))
        chosen = _chosen_of_each(log_weight + log_ratio[0])
        drawn = [self._fills_of(tokens[row], template, row, fills[row]) for row in chosen.tolist()]
        return drawn, codes[0, chosen]

    def _renewed_codes(self, fills: list[Fills], codes: Float[Tensor, "C D"]) -> Float[Tensor, "C D"]:
        proposed, log_ratio = self._proposed(fills, CANDIDATES - 1, codes)
        log_weight = self.model.decoder(proposed).log_prob(self._batch(fills)) + log_ratio
        return proposed[_chosen(log_weight), torch.arange(len(codes))]

    def _proposed(
        self, fills: list[Fills], draws: int, *kept: Float[Tensor, "C D"]
    ) -> tuple[Float[Tensor, "K C D"], Float[Tensor, "K C"]]:
        r"""Propose codes of filled texts, after those kept; with :math:`\log p(z) - \log q(z)` of the proposal."""
        posterior = self.model.infer(self._batch(fills))
        shape = torch.Size([draws])
        of_prior = torch.rand(draws, len(fills), 1) < DEFENSIVE
        drawn = torch.where(of_prior, self.prior.sample(torch.Size([draws, len(fills)])), posterior.sample(shape))
        codes = torch.cat([*(each[None] for each in kept), drawn])
        log_prior, log_posterior = self.prior.log_prob(codes), posterior.log_prob(codes)
        log_proposal = torch.logaddexp(math.log(DEFENSIVE) + log_prior, math.log(1 - DEFENSIVE) + log_posterior)
        return codes, log_prior - log_proposal

    def _renewed_gap(self, fills: list[Fills], codes: Float[Tensor, "C D"], gap: int) -> list[Fills]:
        """Choose for each chain among its fill of a gap and others."""
        rows = [self._resized(each, gap) if number else each for each in fills for number in range(CANDIDATES)]
        template = Template.of([self.text.opened(each, (gap,)) for each in rows])
        held = torch.arange(len(rows)) % CANDIDATES == 0
        likelihood = self.model.decoder(codes.repeat_interleave(CANDIDATES, dim=0)[None])
        tokens, log_weight = draw_blanks(likelihood, template, held)
        chosen = _chosen_of_each(log_weight).tolist()
        return [self._with_gap(rows[row], gap, tokens[row], template, row) for row in chosen]

    def _best_gap(self, fills: list[Fills], codes: Float[Tensor, "C D"], gap: int) -> list[Fills]:
        """Search the best fill of a gap for each start, over all sizes."""
        sizes = [self.text.fitting(gap, _others(each, gap)) for each in fills]
        rows = [_replaced(each, gap, (UNK,) * size) for each, own in zip(fills, sizes, strict=True) for size in own]
        template = Template.of([self.text.opened(each, (gap,)) for each in rows])
        counts = torch.tensor([len(own) for own in sizes])
        likelihood = self.model.decoder(codes.repeat_interleave(counts, dim=0)[None])
        tokens, score = search_blanks(likelihood, template, WIDTH)
        firsts = (counts.cumsum(dim=0) - counts).tolist()
        chosen = [first + int(part.argmax()) for first, part in zip(firsts, score.split(counts.tolist()), strict=True)]
        return [self._with_gap(rows[row], gap, tokens[row], template, row) for row in chosen]

    def _opened(self) -> Fills:
        """Draw a size for each gap, leaving room for those after it."""
        fills = [(UNK,) * min(sizes) for sizes in self.text.sizes]
        for gap in range(len(fills)):
            fills[gap] = _of_any(self.text.fitting(gap, _others(tuple(fills), gap)))
        return tuple(fills)

    def _resized(self, fills: Fills, gap: int) -> Fills:
        return _replaced(fills, gap, _of_any(self.text.fitting(gap, _others(fills, gap))))

    def _with_gap(self, fills: Fills, gap: int, tokens: Int[Tensor, " T"], template: Template, row: int) -> Fills:
        return _replaced(fills, gap, tuple(tokens[template.blank[row]].tolist()))

    def _fills_of(self, tokens: Int[Tensor, " T"], template: Template, row: int, like: Fills) -> Fills:
        drawn = iter(tokens[template.blank[row]].tolist())
        return tuple(tuple(next(drawn) for _ in fill) for fill in like)

    def _batch(self, fills: Sequence[Fills]) -> Batch:
        return Batch.collate([self.text.filled(each) for each in fills])


def _of_any(sizes: Sequence[int]) -> Fill:
    """Draw a size, and leave its tokens open."""
    return (UNK,) * sizes[int(torch.randint(len(sizes), ()))]


def _replaced(fills: Fills, gap: int, fill: Fill) -> Fills:
    return (*fills[:gap], fill, *fills[gap + 1 :])


def _others(fills: Fills, gap: int) -> Fills:
    return (*fills[:gap], *fills[gap + 1 :])


def _chosen(log_weight: Float[Tensor, "K C"]) -> Int[Tensor, " C"]:
    """Draw one of each column in proportion to its weight."""
    return torch.multinomial(log_weight.T.softmax(dim=1), 1)[:, 0]


def _chosen_of_each(log_weight: Float[Tensor, " CK"]) -> Int[Tensor, " C"]:
    """Draw one row of each chain's own, which follow each other."""
    own = log_weight.view(-1, CANDIDATES)
    return torch.arange(len(own)) * CANDIDATES + _chosen(own.T)
