"""Two groups of codes, and how to go from the one to the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from latentia.data import Selection
from latentia.errors import InputError
from latentia.operations.lines import Refused, remarks_on_unknown, unknown_in
from latentia.operations.regions import labelled, read
from latentia.operations.space import Space, seeded

ITERATIONS = 2000
"""Most steps of the solver of a logistic regression."""

FEATURES, FITTED, LEARNING_RATE, DECAY = 32, 200, 0.01, 0.01
"""Of the small classifier: hidden features, steps over all codes, their size, and what pulls its weights to zero."""

WALKED, STEP, HALVINGS = 200, 0.05, 10
"""Steps of a guided walk, the most of its reach that each goes, and halvings of the last."""


@dataclass(frozen=True)
class Groups:
    """Texts without and with what is wanted, none of them empty.

    Attributes:
        without: Texts that have it not.
        having: Texts that have it.
        refused: Texts of neither, which could not be read.
        unknown: Tokens of given texts that the model does not know.

    Raises:
        InputError: If there are texts of one kind alone.
    """

    without: Selection
    having: Selection
    refused: tuple[Refused, ...] = ()
    unknown: int = 0

    def __post_init__(self) -> None:
        """Refuse what shows no difference."""
        if not (len(self.without) and len(self.having)):
            raise InputError("all training texts have one label", "give texts to go from and texts to go to")

    def remarks(self) -> list[str]:
        """Say what was left out, and what could not be read of the others."""
        left_out = [f"{len(self.refused):,} left out, the first because {each}" for each in self.refused[:1]]
        return [f"texts to learn the change from: {said}" for said in left_out + remarks_on_unknown(self.unknown)]


@dataclass(frozen=True)
class Contrast:
    """Codes without and with what is wanted.

    Attributes:
        without: Codes of texts that have it not.
        having: Codes of texts that have it.
    """

    without: Float[Tensor, "N D"]
    having: Float[Tensor, "M D"]

    @cached_property
    def difference(self) -> Float[Tensor, " D"]:
        """Difference of the means of the groups."""
        return self.having.mean(dim=0) - self.without.mean(dim=0)

    @property
    def distance(self) -> float:
        """Distance of the means, the unit of strength."""
        return float(self.difference.norm())

    @cached_property
    def normal(self) -> Float[Tensor, " D"]:
        """Normal of the plane of even odds of a logistic regression, as long as the means are apart."""
        slope = torch.tensor(self._regression.coef_[0], dtype=torch.float32) / self._scale
        return nn.functional.normalize(slope, dim=0) * self.distance

    def probability(self, codes: Float[Tensor, "P D"]) -> Float[Tensor, " P"]:
        """Probability under a logistic regression that codes are of those having it."""
        estimates = self._regression.predict_proba(((codes - self._centre) / self._scale).numpy())
        return torch.from_numpy(estimates[:, 1]).float()

    @cached_property
    def log_odds(self) -> nn.Sequential:
        """A small classifier, fitted to the codes: log-odds that one is of those having it.

        Both groups count alike, however many codes they have.
        """
        codes, wanted = (self._codes - self._centre) / self._scale, self._wanted.float()
        weight = torch.where(self._wanted, 0.5 / len(self.having), 0.5 / len(self.without))
        with seeded(0), torch.enable_grad():
            network = nn.Sequential(nn.Linear(codes.shape[1], FEATURES), nn.Tanh(), nn.Linear(FEATURES, 1))
            optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=DECAY)
            for _ in range(FITTED):
                cost = nn.functional.binary_cross_entropy_with_logits(
                    network(codes)[:, 0], wanted, weight, reduction="sum"
                )
                optimizer.zero_grad()
                cost.backward()
                optimizer.step()
        return network.requires_grad_(requires_grad=False)

    def walk(
        self,
        codes: Float[Tensor, "P D"],
        strength: float,
        probability: float,
        within: Callable[[Tensor], Tensor] = lambda codes: codes,
    ) -> Float[Tensor, "P D"]:
        r"""Ascend the log-odds of the small classifier from each code, until one of the groups having it is likely.

        .. math:: \ell(z) - \frac{|z - z_0|^2}{2 s^2 d^2}

        where ``d`` is the distance of the means and ``s`` the strength. A code stops at the wanted probability, or
        where pull and ascent are equal; ``within`` returns it to the support of the prior after each step.
        """
        reach, wanted, start = strength * self.distance, math.log(probability / (1 - probability)), codes
        behind = codes
        for _ in range(WALKED):
            log_odds, slope = self._slope(codes)
            step = STEP * (reach**2 * slope - (codes - start))
            share = (STEP * reach / step.norm(dim=1).clamp(min=torch.finfo(step.dtype).tiny)).clamp(max=1.0)
            behind, codes = _where(log_odds < wanted, (codes, within(codes + share[:, None] * step)), (behind, codes))
        for _ in range(HALVINGS):
            middle = within((behind + codes) / 2)
            behind, codes = _where(self._slope(middle)[0] < wanted, (middle, codes), (behind, middle))
        return codes

    def likely(self, codes: Float[Tensor, "P D"]) -> Float[Tensor, " P"]:
        """Probability under the small classifier that codes are of those having it."""
        return self._slope(codes)[0].sigmoid()

    def _slope(self, codes: Tensor) -> tuple[Float[Tensor, " P"], Float[Tensor, "P D"]]:
        with torch.enable_grad():
            codes = codes.detach().requires_grad_()
            log_odds = self.log_odds((codes - self._centre) / self._scale)[:, 0]
            (slope,) = torch.autograd.grad(log_odds.sum(), codes)
        return log_odds.detach(), slope

    @cached_property
    def _codes(self) -> Float[Tensor, "NM D"]:
        return torch.cat([self.without, self.having])

    @cached_property
    def _wanted(self) -> Tensor:
        return torch.arange(len(self._codes)) >= len(self.without)

    @cached_property
    def _centre(self) -> Float[Tensor, " D"]:
        return self._codes.mean(dim=0)

    @cached_property
    def _scale(self) -> Float[Tensor, " D"]:
        return self._codes.std(dim=0).clamp(min=1e-6)

    @cached_property
    def _regression(self) -> Any:  # noqa: ANN401 - an estimator of scikit-learn
        from sklearn.linear_model import LogisticRegression

        codes = ((self._codes - self._centre) / self._scale).numpy()
        return LogisticRegression(max_iter=ITERATIONS, class_weight="balanced").fit(codes, self._wanted.numpy())


def _where(
    chosen: Bool[Tensor, " P"], first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Choose rows of two tensors at once."""
    one, other = (torch.where(chosen[:, None], *each) for each in zip(first, second, strict=True))
    return one, other


def groups_of(space: Space, attribute: str, away: Iterable[str], towards: Iterable[str]) -> Groups:
    """Return texts without and with what is wanted: training texts without and with a label, or two lists of texts.

    Raises:
        InputError: If neither or both are given, or one list; if training texts have no labels, not this one or no
            other; if no text of a list can be read, or the model has one code a token.
    """
    space.require_whole_codes()
    lists = [_listed(away), _listed(towards)]
    if attribute and any(lists):
        raise InputError("an attribute and lists of texts are given", "give either")
    if attribute:
        return Groups(labelled(space, attribute, others=True), labelled(space, attribute))
    if not all(lists):
        raise InputError("it is not said what to change", "give an attribute, or texts to go from and texts to go to")
    (without, left_out), (having, left_out_too) = (read(space, texts) for texts in lists)
    return Groups(without, having, (*left_out, *left_out_too), unknown_in(without) + unknown_in(having))


def contrast_of(space: Space, groups: Groups) -> Contrast:
    """Encode two groups of texts.

    Raises:
        InputError: If the means of their codes are the same.
    """
    contrast = Contrast(space.centres(groups.without), space.centres(groups.having))
    if not contrast.distance > 0:
        raise InputError("both groups have the same mean code", "give texts that differ in what is to change")
    return contrast


def _listed(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise InputError(f"{texts!r} is one text", "give a list of texts")
    return list(texts)
