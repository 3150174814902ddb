"""Densities of the aggregate posterior, a mixture with one diagonal Gaussian an example.

Nothing here holds more than about ``chunk`` numbers at a time beside its inputs and outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.autograd.function import once_differentiable

LOG_TWO_PI = math.log(2 * math.pi)
CHUNK = 2**18
# Of a component this far below the largest, in nats, nothing is left in a sum even in float64; further down exp gives
# subnormal numbers, on which processors are some thirty times slower. Gradients lose nothing either for
# log-variances above -30.
NEGLIGIBLE = -60.0


def mean_log_mixture(
    samples: Float[Tensor, "N D"],
    mean: Float[Tensor, "K D"],
    log_variance: Float[Tensor, "K D"],
    joint: bool,
    chunk: int = CHUNK,
) -> Float[Tensor, " columns"]:
    r"""Mean over the samples of the equal mixture's log-density, in nats, with gradients to all three tensors.

    Joint, one column, and marginal, one column a dimension:

    .. math::
        \frac1N \sum_n \log \tfrac1K \sum_k \prod_i N(z_{ni}; \mu_{ki}, \sigma_{ki}^2)
        \qquad
        \frac1N \sum_n \log \tfrac1K \sum_k N(z_{ni}; \mu_{ki}, \sigma_{ki}^2)

    Blocks of samples are worked through once: their gradients are gathered beside their values, and
    nothing of size ``N K D`` is kept.

    Source: Zhang et al., Improving Variational Autoencoders with Density Gap-based Regularization, 2022,
    equations 9 and 11.
    """
    result: Tensor = _MeanLogMixture.apply(samples, mean, log_variance, joint, chunk)  # type: ignore[no-untyped-call]
    return result


class _MeanLogMixture(torch.autograd.Function):
    """The mixture with its gradient through the responsibilities.

    With responsibilities ``r_k`` (softmax of the log-components over ``k``) and distances
    ``u = (z - mu) / sigma``, the gradients are ``-sum_k r u / sigma`` for ``z``, ``sum_n r u / sigma`` for
    ``mu`` and ``sum_n r (u^2 - 1) / 2`` for ``log sigma^2``. Because only the mean leaves the function, they
    are known up to one factor a column before the upstream gradient is, so that nothing is computed twice.
    """

    @staticmethod
    def forward(ctx, samples, mean, log_variance, joint, chunk):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        inverse_scale = (-0.5 * log_variance).exp().T.contiguous()
        total = samples.new_zeros(1 if joint else samples.shape[1])
        to_samples = torch.empty_like(samples.T, memory_format=torch.contiguous_format)
        to_mean, to_log_variance = torch.zeros_like(inverse_scale), torch.zeros_like(inverse_scale)
        for rows, block in _blocks(samples, mean, chunk):
            distance, log_components = _log_components(block, mean, log_variance, joint)
            largest = log_components.amax(dim=1, keepdim=True)
            weight = log_components.sub_(largest).clamp_(min=NEGLIGIBLE).exp_()
            norm = weight.sum(dim=1, keepdim=True)
            total += largest.add_(norm.log()).sum(dim=(1, 2))
            weight.div_(norm)
            pull = distance * weight
            to_samples[:, rows] = torch.bmm(inverse_scale[:, None, :], pull)[:, 0].neg_()
            to_mean += pull.sum(dim=2)
            to_log_variance += pull.mul_(distance).sum(dim=2) - weight.sum(dim=2)
        count = samples.shape[0]
        gradients = (to_samples, to_mean.mul_(inverse_scale), to_log_variance.mul_(0.5))
        ctx.save_for_backward(*(gradient.div_(count) for gradient in gradients))
        return total / count - math.log(mean.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN205
        return *((saved * gradient[:, None]).T for saved in ctx.saved_tensors), None, None


def _blocks(samples: Tensor, mean: Tensor, chunk: int) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of at least one sample with at most ``chunk`` distances each."""
    step = max(1, chunk // mean.numel())
    for start in range(0, samples.shape[0], step):
        rows = slice(start, start + step)
        yield rows, samples[rows]


def _log_components(samples: Tensor, mean: Tensor, log_variance: Tensor, joint: bool) -> tuple[Tensor, Tensor]:
    """Distances ``[D, K, n]`` and log-components ``[D, K, n]``, or ``[1, K, n]`` summed over dimensions.

    Samples lie along the last axis: components are then summed by whole vectors, not within them.
    """
    points, centre, spread = samples.T.contiguous(), mean.T[:, :, None], log_variance.T[:, :, None].contiguous()
    distance = (points[:, None, :] - centre.contiguous()).mul_((-0.5 * spread).exp())
    log_density = torch.addcmul(-0.5 * (spread + LOG_TWO_PI), distance, distance, value=-0.5)
    return distance, log_density.sum(dim=0, keepdim=True) if joint else log_density


def gaussian_component_log_prob(
    codes: Float64[Tensor, "P D"], mean: Float[Tensor, "N D"], log_variance: Float[Tensor, "N D"]
) -> Float64[Tensor, "P N"]:
    r"""Log-density of each code under each Gaussian, in nats.

    The squared distances are one matrix product, ``z^2 / sigma^2 - 2 z mu / sigma^2 + mu^2 / sigma^2``. It
    cancels badly when variances are small, so it is computed in float64, which leaves ten digits at
    ``sigma = 1e-3``.
    """
    mean, log_variance = mean.double(), log_variance.double()
    precision = (-log_variance).exp()
    factors = torch.cat([-0.5 * precision, mean * precision], dim=1).T
    offsets = -0.5 * (mean.square() * precision + log_variance + LOG_TWO_PI).sum(dim=1)
    return torch.addmm(offsets, torch.cat([codes.square(), codes], dim=1), factors)


def log_sum_of_exponentials(log_terms: Float64[Tensor, "P N"]) -> Float64[Tensor, " P"]:
    r""":math:`\log \sum_n e^{a_{pn}}` to within 1e-6; it works in the memory of its argument, which is lost.

    Differences from the largest term are taken in float64, and their exponentials, several times faster, in float32:
    the largest is then 1 exactly, and of the others the rounding of each is 1e-7 of it. A row holds a finite term.

    >>> log_sum_of_exponentials(torch.tensor([[-1e6, -1e6]], dtype=torch.float64)) + 1e6
    tensor([0.6931], dtype=torch.float64)
    """
    largest = log_terms.amax(dim=1, keepdim=True)
    weights = log_terms.sub_(largest).float().clamp_(min=NEGLIGIBLE).exp_()
    return weights.sum(dim=1).double().log_().add_(largest[:, 0])


@torch.no_grad()
def marginal_log_density(
    points: Float[Tensor, " P"],
    mean: Float[Tensor, "K D"],
    log_variance: Float[Tensor, "K D"],
    chunk: int = 2**22,
) -> Float[Tensor, "P D"]:
    """Marginal log-densities of an equal mixture at the same points in every dimension, in nats, in float64.

    Components are worked through in blocks and joined in log space.
    """
    mean, log_variance = mean.double(), log_variance.double()
    repeated = points.double()[:, None].expand(-1, mean.shape[1])
    total = torch.full(repeated.shape, -torch.inf, dtype=torch.float64)
    step = max(1, chunk // repeated.numel())
    for block_mean, block_variance in zip(mean.split(step), log_variance.split(step), strict=True):
        components = _log_components(repeated, block_mean, block_variance, joint=False)[1]
        total = torch.logaddexp(total, components.logsumexp(dim=1).T)
    return total - math.log(mean.shape[0])


@torch.no_grad()
def marginal_log_density_at(
    codes: Float[Tensor, "P D"], mean: Float[Tensor, "K D"], log_variance: Float[Tensor, "K D"], chunk: int = 2**22
) -> Float64[Tensor, "P D"]:
    """Marginal log-densities of an equal mixture, each dimension at its own coordinates, in nats, to within 1e-6."""
    step, density = max(1, chunk // len(mean)), torch.empty(codes.shape, dtype=torch.float64, device=codes.device)
    for column, centre, spread in zip(
        range(codes.shape[1]), mean.split(1, dim=1), log_variance.split(1, dim=1), strict=True
    ):
        for start in range(0, len(codes), step):
            points = codes[start : start + step, column : column + 1].double()
            terms = gaussian_component_log_prob(points, centre, spread)
            density[start : start + step, column] = log_sum_of_exponentials(terms)
    return density - math.log(len(mean))
