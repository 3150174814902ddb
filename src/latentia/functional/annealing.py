"""Hamiltonian Monte Carlo on a path of densities, and annealed importance sampling along it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor

LogDensity = Callable[[Tensor], Tensor]
"""Codes ``[S, B, D]`` to nats ``[S, B]``: of ``S`` chains for each of ``B`` densities."""

ACCEPTANCE = 0.65
"""What a pilot run aims at (Neal, MCMC Using Hamiltonian Dynamics, 2011, section 5.4.4.3)."""

PACE, FIRST = 0.2, 0.5
"""How fast a pilot run changes its step size, and where it begins."""

JITTER = 0.2
"""Share by which the step size of a trajectory is varied, so that none comes back to where it began."""


@dataclass(frozen=True)
class Point:
    """Codes with their log-densities under both ends of a path, and the gradients of these."""

    codes: Float[Tensor, "S B D"]
    log_start: Float[Tensor, "S B"]
    log_target: Float[Tensor, "S B"]
    to_start: Float[Tensor, "S B D"]
    to_target: Float[Tensor, "S B D"]

    @property
    def log_ratio(self) -> Float[Tensor, "S B"]:
        """Log-density of the target over that of the start."""
        return self.log_target - self.log_start

    def log_density(self, share: float) -> Float[Tensor, "S B"]:
        """Unnormalised log-density at a place of the path."""
        return (1 - share) * self.log_start + share * self.log_target

    def gradient(self, share: float) -> Float[Tensor, "S B D"]:
        """Gradient of the log-density at a place of the path."""
        return (1 - share) * self.to_start + share * self.to_target

    def where(self, kept: Bool[Tensor, "S B"], other: Point) -> Point:
        """Keep some of the codes, and take those of the other point in place of the rest."""
        pairs = [(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)]
        return Point(*(torch.where(kept if a.ndim == 2 else kept[..., None], a, b) for a, b in pairs))


@dataclass(frozen=True)
class Path:
    r"""The geometric path :math:`f_\beta(z) = f_0(z)^{1 - \beta} f_1(z)^\beta`, from a start to a target.

    Gradients are those to the codes alone; the functions must not hold graphs of their own.
    """

    start: LogDensity
    target: LogDensity

    def at(self, codes: Float[Tensor, "S B D"]) -> Point:
        """Evaluate both ends and their gradients."""
        with torch.enable_grad():
            codes = codes.detach().requires_grad_()
            values = [end(codes) for end in (self.start, self.target)]
            gradients = [torch.autograd.grad(value.sum(), codes)[0] for value in values]
        return Point(codes.detach(), *(value.detach() for value in values), *gradients)


def hamiltonian_step(
    path: Path, point: Point, share: float, step: Float[Tensor, "*#rows D"], leapfrogs: int
) -> tuple[Point, Float[Tensor, "S B"]]:
    r"""Move every chain by one trajectory that leaves :math:`f_\beta` as it is; return also the chances of acceptance.

    .. math::
        v \sim N(0, I), \quad (z, v) \to (z', v') \text{ by leapfrogs of size } \epsilon_i, \quad
        \min\Big(1, \frac{f_\beta(z') \, e^{-|v'|^2 / 2}}{f_\beta(z) \, e^{-|v|^2 / 2}}\Big)

    Args:
        path: Where ``beta`` is a place.
        point: The chains.
        share: ``beta``.
        step: Size of a leapfrog in each dimension, the inverse root of a diagonal mass.
        leapfrogs: In a trajectory, each of which evaluates the gradient once.

    Source: Neal, MCMC Using Hamiltonian Dynamics, 2011, sections 2.3 and 3.2.
    """
    first = torch.randn_like(point.codes)
    step = step * (1 + JITTER * (2 * torch.rand_like(first[..., :1]) - 1))
    velocity, reached = first + 0.5 * step * point.gradient(share), point
    for left in reversed(range(leapfrogs)):
        reached = path.at(reached.codes + step * velocity)
        velocity = velocity + (1.0 if left else 0.5) * step * reached.gradient(share)
    kinetic = 0.5 * (velocity.square() - first.square()).sum(dim=-1)
    change = reached.log_density(share) - point.log_density(share) - kinetic
    # What is no number compares as false, so that a trajectory that diverged is refused.
    accepted = torch.rand_like(change).log() < change
    return reached.where(accepted, point), change.clamp(max=0).exp().nan_to_num(0.0)


def pilot_steps(
    path: Path, codes: Float[Tensor, "S B D"], shares: list[float], scale: Float[Tensor, "B D"], leapfrogs: int
) -> Float[Tensor, "moves B D"]:
    """Find the step sizes of each density at each place between the ends, in a run that is then thrown away.

    A run that changed its own step size by what it saw would leave no density as it is.

    Args:
        path: What is annealed along.
        codes: Where the chains of the pilot run begin, drawn from the start.
        shares: Places, from 0 to 1.
        scale: Rough standard deviation of each dimension.
        leapfrogs: In a trajectory.
    """
    point, size, sizes = path.at(codes), torch.full_like(scale[:, :1], FIRST), []
    for share in shares[1:-1]:
        point, chance = hamiltonian_step(path, point, share, size * scale, leapfrogs)
        size = size * (PACE * (chance.mean(dim=0) - ACCEPTANCE)).exp()[:, None]
        sizes.append(size * scale)
    return torch.stack(sizes) if sizes else scale.new_empty(0, *scale.shape)


def annealed_log_weights(
    path: Path,
    codes: Float[Tensor, "S B D"],
    shares: list[float],
    steps: Float[Tensor, "moves B D"],
    leapfrogs: int,
) -> tuple[Float[Tensor, "S B"], Float[Tensor, " B"]]:
    r"""Log-weights of annealed importance sampling, in nats, and the share of trajectories accepted.

    .. math::
        \log w = \sum_t (\beta_{t+1} - \beta_t) \, \log \frac{f_1(z_t)}{f_0(z_t)}, \qquad
        \mathbb E \, w = \frac{\int f_{\beta_T}}{\int f_{\beta_0}}

    with :math:`z_0` drawn from the density of the first place and each :math:`z_{t+1}` from a transition that leaves
    that of :math:`\beta_{t+1}` as it is. From 0 to 1, ``log w`` is in expectation below the log of the ratio of the
    integrals; from 1 to 0, begun with a draw from the target, ``-log w`` is above it.

    Args:
        path: What is annealed along.
        codes: Where the chains begin: draws from the density at the first place.
        shares: Places, from 0 to 1, or from 1 to 0.
        steps: Step sizes at each place between the ends, in the order of the places.
        leapfrogs: In a trajectory.

    Source: Neal, Annealed Importance Sampling, 2001; in reverse, Grosse, Ghahramani and Adams, Sandwiching the Marginal
    Likelihood Using Bidirectional Monte Carlo, 2015, section 3.
    """
    point, accepted = path.at(codes), torch.ones(codes.shape[1], device=codes.device)
    log_weights = torch.zeros_like(point.log_start)
    for move, (before, after) in enumerate(pairwise(shares)):
        log_weights += (after - before) * point.log_ratio
        if move < len(steps):
            point, chance = hamiltonian_step(path, point, after, steps[move], leapfrogs)
            accepted = accepted + (chance.mean(dim=0) - accepted) / (move + 1)
    return log_weights, accepted


def sigmoid_places(count: int, steepness: float = 4.0) -> list[float]:
    r"""Places from 0 to 1, ``count`` steps apart, closer to each other near both ends.

    .. math::
        \beta_t = \frac{\sigma(\delta (2t/T - 1)) - \sigma(-\delta)}{\sigma(\delta) - \sigma(-\delta)}

    Source: Grosse, Ghahramani and Adams, 2015; Wu et al., On the Quantitative Analysis of Decoder-Based Generative
    Models, 2017.

    >>> [round(place, 3) for place in sigmoid_places(4)]
    [0.0, 0.105, 0.5, 0.895, 1.0]
    """
    raised = torch.sigmoid(torch.linspace(-steepness, steepness, count + 1, dtype=torch.float64))
    places: list[float] = ((raised - raised[0]) / (raised[-1] - raised[0])).tolist()
    return places
