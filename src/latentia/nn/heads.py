"""From features of an observation to the parameters of its posterior."""

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentia.distributions import (
    CodeDistribution,
    DiagonalGaussian,
    PowerSpherical,
    SharedNoiseGaussian,
    VonMisesFisher,
)
from latentia.errors import RecipeError
from latentia.nn.normalisation import CorpusNormalisation, normalised_by_averages
from latentia.shapes import PositiveFloat, PositiveInt

LOG_VARIANCE_LIMIT = 14.0
MOMENTUM = 0.1
"""Weight of the last batch in the averages that stand in for a batch's statistics."""


class PosteriorHead(nn.Module, ABC):
    """Features ``[B, H]`` to a posterior over ``[B, D]``."""

    @abstractmethod
    def forward(self, features: Float[Tensor, "B H"]) -> CodeDistribution:
        """Return the posterior of each example."""


class GaussianHead(PosteriorHead):
    r"""A diagonal Gaussian with :math:`[\mu; \log \sigma^2] = W h + b`.

    The log-variance is held within ±14, where float32 still resolves the density.

    Source: Kingma and Welling, Auto-Encoding Variational Bayes, 2014, appendix C.2.
    """

    def __init__(self, hidden_dim: PositiveInt, latent_dim: PositiveInt) -> None:
        """Take the number of features and of latent dimensions."""
        super().__init__()
        self.parameters_of = nn.Linear(hidden_dim, 2 * latent_dim)

    def forward(self, features: Float[Tensor, "B H"]) -> DiagonalGaussian:
        """Return the posterior of each example."""
        mean, log_variance = self.parameters_of(features).float().chunk(2, dim=-1)
        return DiagonalGaussian(mean, _bounded(log_variance))


class CommittedRateHead(PosteriorHead):
    r"""A diagonal Gaussian whose KL from the standard normal is at least ``delta`` nats in every dimension.

    .. math::
        \sigma = \sqrt{v_l} + (\sqrt{v_u} - \sqrt{v_l}) \, \mathrm{sigmoid}(a), \quad
        \mu = \sqrt{2 \delta + 1 + \log \sigma^2 - \sigma^2 + \max(0, b)}, \quad
        \mathrm{KL}_i = \delta + \tfrac12 \max(0, b)

    with ``v_l < 1 < v_u`` the roots of :math:`\log v - v + 2 \delta + 1 = 0`. The rate is committed, not the
    information: where neither ``a`` nor ``b`` moves with ``x`` the KL is still ``delta``. A small constant is added
    under the root, whose gradient would be infinite at its ends.

    Source: Razavi et al., Preventing Posterior Collapse with delta-VAEs, 2019, section 2.1; per dimension as in Zhu et
    al., 2020.
    """

    MARGIN = 1e-6

    def __init__(self, hidden_dim: PositiveInt, latent_dim: PositiveInt, delta: PositiveFloat = 0.15) -> None:
        """Take the sizes and the least KL of a dimension, in nats."""
        super().__init__()
        self.delta = delta
        self.least, self.greatest = (math.sqrt(root) for root in _roots(2 * delta + 1))
        self.parameters_of = nn.Linear(hidden_dim, 2 * latent_dim)

    def forward(self, features: Float[Tensor, "B H"]) -> DiagonalGaussian:
        """Return the posterior of each example."""
        scale, excess = self.parameters_of(features).float().chunk(2, dim=-1)
        deviation = self.least + (self.greatest - self.least) * scale.sigmoid()
        room = 2 * self.delta + 1 + 2 * deviation.log() - deviation.square()
        mean = (room.clamp(min=0.0) + excess.relu() + self.MARGIN).sqrt()
        return DiagonalGaussian(mean, 2 * deviation.log())


class DirectionalHead(PosteriorHead):
    r"""A distribution around the direction of :math:`W h + b`, of fixed concentration unless it is learned.

    A fixed concentration fixes the KL from the uniform prior, which then cannot vanish. A learned one is
    :math:`\kappa_0 \, \mathrm{softplus}(w^T h) / \log 2`, which is the value given where the features say nothing.

    Args:
        hidden_dim: Features, ``H``.
        latent_dim: Dimensions of the sphere's space, ``D``.
        concentration: ``kappa``, or the ``kappa_0`` of a learned one.
        learned: Let the concentration depend on the sequence.
        family: ``von-mises-fisher``, or the cheaper ``power-spherical``.

    Raises:
        RecipeError: For one dimension.

    Source: Davidson et al., Hyperspherical Variational Auto-Encoders, 2018; Xu and Durrett, Spherical Latent Spaces
    for Stable Variational Autoencoders, 2018, section 3 (fixed); De Cao and Aziz, The Power Spherical Distribution,
    2020.
    """

    def __init__(
        self,
        hidden_dim: PositiveInt,
        latent_dim: PositiveInt,
        concentration: PositiveFloat = 13.0,
        learned: bool = False,
        family: Literal["von-mises-fisher", "power-spherical"] = "von-mises-fisher",
    ) -> None:
        """Build the layers."""
        super().__init__()
        if latent_dim < 2:
            raise RecipeError("a line has no sphere, and model.latent_dim is 1", "set model.latent_dim to 2 or more")
        self.direction = nn.Linear(hidden_dim, latent_dim)
        self.spread = nn.Linear(hidden_dim, 1, bias=False) if learned else None
        self.kind = VonMisesFisher if family == "von-mises-fisher" else PowerSpherical
        self.concentration = concentration

    def forward(self, features: Float[Tensor, "B H"]) -> VonMisesFisher | PowerSpherical:
        """Return the posterior of each example."""
        direction = nn.functional.normalize(self.direction(features).float(), dim=-1)
        concentration = direction.new_full(direction.shape[:-1], self.concentration)
        if self.spread is not None:
            concentration = concentration * nn.functional.softplus(self.spread(features).float())[..., 0] / math.log(2)
        return self.kind(direction, concentration)


class LinearNoiseHead(PosteriorHead):
    r"""Features and noise through one linear layer, :math:`z = W_h h + W_\epsilon \epsilon + b`.

    Published as an implicit posterior, one that can only be drawn from; it is the Gaussian
    :math:`N(W_h h + b, W_\epsilon W_\epsilon^T)`, whose covariance all sequences share. It starts at the covariance of
    a standard normal prior.

    Source: Fang et al., Implicit Deep Latent Variable Models for Text Generation, 2019, section 3.1.
    """

    def __init__(self, hidden_dim: PositiveInt, latent_dim: PositiveInt) -> None:
        """Take the number of features and of latent dimensions."""
        super().__init__()
        self.mean_of = nn.Linear(hidden_dim, latent_dim)
        self.noise_map = nn.Parameter(torch.eye(latent_dim))

    def forward(self, features: Float[Tensor, "B H"]) -> SharedNoiseGaussian:
        """Return the posterior of each example."""
        return SharedNoiseGaussian(self.mean_of(features).float(), self.noise_map)


class BatchNormalisedHead(PosteriorHead):
    r"""A diagonal Gaussian whose means are normalised over the batch, so that the KL cannot vanish.

    .. math::
        \mu_i = \gamma \frac{\hat\mu_i - m_i}{s_i} + \beta_i, \qquad
        \mathbb E_x[\mathrm{KL}] \ge \tfrac12 \sum_i (\gamma^2 + \beta_i^2)

    ``gamma`` is fixed, ``beta`` is learned, the log-variance is untouched. In evaluation mode, and for a batch of
    one, which has no spread, averages over past batches replace the batch's statistics.

    Batches of one length have the statistics of that length, and evaluation has those of all: what is evaluated is not
    quite what was trained. With ``renormalise`` training uses the averages too, while gradients still flow as through
    the batch's statistics; the bound on the KL then holds over many batches, not within each, and only as well as the
    averages keep up with the features.

    Source: Zhu et al., A Batch Normalized Inference Network Keeps the KL Vanishing Away, 2020, section 4; Ioffe, Batch
    Renormalization, 2017, section 3.
    """

    def __init__(
        self,
        hidden_dim: PositiveInt,
        latent_dim: PositiveInt,
        gamma: PositiveFloat = 0.6,
        renormalise: bool = False,
    ) -> None:
        """Take the sizes, the fixed scale of the means, and whether training uses averages over past batches."""
        super().__init__()
        self.gamma, self.renormalise = gamma, renormalise
        self.parameters_of = nn.Linear(hidden_dim, 2 * latent_dim)
        # Means start within a few thousandths of each other; the layer's own 1e-5 would be as large as their variance.
        self.normalise = nn.BatchNorm1d(latent_dim, eps=1e-8, momentum=MOMENTUM, affine=False)
        nn.init.zeros_(self.normalise.get_buffer("running_var"))
        self.shift = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, features: Float[Tensor, "B H"]) -> DiagonalGaussian:
        """Return the posterior of each example."""
        mean, log_variance = self.parameters_of(features).float().chunk(2, dim=-1)
        return DiagonalGaussian(self.gamma * self._normalised(mean) + self.shift, _bounded(log_variance))

    def _normalised(self, mean: Tensor) -> Tensor:
        if self.training and mean.shape[0] > 1:
            normalised: Tensor = self.normalise(mean)
            if self.renormalise:
                return normalised_by_averages(normalised, mean.detach(), *self._statistics(), self.normalise.eps)
            return normalised
        return nn.functional.batch_norm(mean, *self._statistics(), eps=self.normalise.eps)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of past batches, as if the averages had not begun at zero; of none, 0 and 1."""
        past = dict(self.normalise.named_buffers())
        batches = past["num_batches_tracked"]
        share = 1 - (1 - MOMENTUM) ** batches
        mean = torch.where(batches > 0, past["running_mean"] / share, 0.0)
        variance = torch.where(batches > 0, past["running_var"] / share, 1.0)
        return mean, variance


class MomentMatchedHead(PosteriorHead):
    r"""A diagonal Gaussian whose aggregate over the corpus has the prior's mean and variance in every dimension.

    .. math::
        \mu_i = \gamma \frac{\hat\mu_i - m_i}{s_i}, \qquad \sigma_i^2 = 1 - \gamma^2, \qquad
        \mathbb E_x[\mathrm{KL}] = -\tfrac D2 \log(1 - \gamma^2)

    with ``m`` and ``s`` of the corpus, so that :math:`\mathbb E[z_i] = 0` and
    :math:`\mathrm{Var}[z_i] = \gamma^2 + \sigma_i^2 = 1`. Where normalised means leave the variance to be learned
    (:class:`BatchNormalisedHead`), a decoder that reads little of the code lets it grow to 1, and the aggregate is
    wider than the prior. Averages over past batches stand in for the corpus, in training too.

    Args:
        hidden_dim: Features, ``H``.
        latent_dim: Dimensions, ``D``.
        rate: KL from the standard normal on average over the corpus, in nats of the whole code.

    Source: Zhu et al., 2020, section 4 (means); the variance is what they leave of the prior's.
    """

    def __init__(self, hidden_dim: PositiveInt, latent_dim: PositiveInt, rate: PositiveFloat = 7.0) -> None:
        """Take the sizes and the rate."""
        super().__init__()
        self.log_variance = -2 * rate / latent_dim
        self.gamma = math.sqrt(-math.expm1(self.log_variance))
        self.mean_of = nn.Linear(hidden_dim, latent_dim)
        self.normalise = CorpusNormalisation(latent_dim)

    def forward(self, features: Float[Tensor, "B H"]) -> DiagonalGaussian:
        """Return the posterior of each example."""
        mean = self.gamma * self.normalise(self.mean_of(features).float())
        return DiagonalGaussian(mean, torch.full_like(mean, self.log_variance))


def _bounded(log_variance: Tensor) -> Tensor:
    return log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)


def _roots(constant: float) -> tuple[float, float]:
    r"""Roots of :math:`\log v - v + c = 0` for ``c > 1``, each by the iteration that contracts to it.

    >>> [round(root**0.5, 4) for root in _roots(1.3)]
    [0.6412, 1.4093]
    """
    low, high = math.exp(-constant), constant
    for _ in range(2000):
        low, high = math.exp(low - constant), constant + math.log(high)
    return low, high
