"""What is done to the posteriors that an encoder returns, before anything uses them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import kl_divergence
from torch.func import functional_call

from latentia.distributions import CodeDistribution, DiagonalGaussian
from latentia.errors import RecipeError
from latentia.functional.descent import descend
from latentia.records import Batch
from latentia.shapes import Count, NonNegativeFloat, PositiveFloat, PositiveInt, ShareBelowOne

MOST_NOISE = 2**24
"""Random numbers that a model holds for all its steps, 64 MiB."""


class Refinement(nn.Module, ABC):
    """An encoder's posteriors to those that training, evaluation and every operation use.

    Padding and batch order change nothing.
    """

    if_left_out = "Unrefined"

    @abstractmethod
    def forward(
        self,
        posterior: CodeDistribution,
        prior: CodeDistribution,
        decoder: nn.Module,
        batch: Batch,
        kl_weight: float = 1.0,
    ) -> CodeDistribution:
        """Return the posteriors of a batch, ``[B]``, given the encoder's.

        ``decoder`` maps codes ``[S, B, D]`` to a distribution over batches; ``kl_weight`` is that of the KL in what is
        trained, and 1 wherever nothing is.
        """


class Unrefined(Refinement):
    """The encoder's posteriors as they are."""

    def forward(
        self,
        posterior: CodeDistribution,
        prior: CodeDistribution,
        decoder: nn.Module,
        batch: Batch,
        kl_weight: float = 1.0,
    ) -> CodeDistribution:
        """Return the posteriors."""
        return posterior


class GradientRefinement(Refinement):
    r"""Steps of gradient descent on each example's own negative ELBO, which begin where the encoder ends.

    .. math::
        \lambda_0 = \mathrm{encoder}(x), \quad
        f_k(\lambda) = -\log p(x \mid \mu + \sigma \epsilon_k) + w \, \mathrm{KL}(q_\lambda \| p(z)), \quad
        \lambda_{k+1} = \lambda_k - a \, v_{k+1}, \quad v_{k+1} = m \, v_k + \nabla f_k(\lambda_k)

    for :math:`\lambda = [\mu; \log \sigma^2]`. The refined :math:`q_{\lambda_K}` has gradients through all steps, to
    the encoder and to the decoder; see :func:`latentia.functional.descent.descend`. The decoder that the steps see
    drops nothing. While training each example has noise of its own at each step; in evaluation mode that of a step is
    the same for all and at every call, so that the posterior of a sequence is a function of it.

    Steps are those of single examples: a learning rate of 1 on the mean of a batch of 32, as published, is 1/32 here.
    What a posterior head promises about the KL, a rate or a second moment, holds for :math:`\lambda_0` alone.

    Args:
        latent_dim: Dimensions of the code, ``D``.
        steps: ``K``.
        learning_rate: ``a``.
        momentum: ``m``.
        draws: Codes whose mean cost a step descends.
        clip_norm: Largest norm of an example's gradient that a step follows, in nats; 0 clips nothing.
        growth: How many times as long as it came an example's gradient may be on its way back; 0 sets no limit.

    Source: Kim et al., Semi-Amortized Variational Autoencoders, 2018, algorithm 1.
    """

    noise: Tensor

    def __init__(
        self,
        latent_dim: PositiveInt,
        steps: Count = 20,
        learning_rate: PositiveFloat = 0.03125,
        momentum: ShareBelowOne = 0.5,
        draws: Count = 1,
        clip_norm: NonNegativeFloat = 5.0,
        growth: NonNegativeFloat = 5.0,
    ) -> None:
        """Take the settings, and draw the noise of the evaluation mode.

        Raises:
            RecipeError: If it is more than ``MOST_NOISE`` numbers.
        """
        super().__init__()
        if steps * draws * latent_dim > MOST_NOISE:
            size = f"{steps:,} steps of {draws:,} draws of {latent_dim:,} dimensions"
            raise RecipeError(f"a refinement of {size} needs more than {MOST_NOISE:,} numbers", "take fewer of them")
        self.learning_rate, self.momentum, self.clip_norm, self.growth = learning_rate, momentum, clip_norm, growth
        noise = torch.randn(steps, draws, 1, latent_dim, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise", noise, persistent=False)

    def forward(
        self,
        posterior: CodeDistribution,
        prior: CodeDistribution,
        decoder: nn.Module,
        batch: Batch,
        kl_weight: float = 1.0,
    ) -> DiagonalGaussian:
        """Return the refined posteriors, also where gradients are off.

        Raises:
            RecipeError: For posteriors other than diagonal Gaussians, whose parameters cannot take any value, and for
                priors from which their KL has no closed form.
        """
        if not isinstance(posterior, DiagonalGaussian):
            raise RecipeError("gradient refinement needs Gaussian posteriors", "set model.encoder.posterior.kind")
        if not isinstance(prior, DiagonalGaussian):
            raise RecipeError("gradient refinement needs a Gaussian prior", "set model.prior.kind=StandardNormal")
        names = [f"decoder.{name}" for name, _ in decoder.named_parameters()]
        likelihood = _Likelihood(decoder)

        def cost(point: Tensor, noise: Tensor, weights: Sequence[Tensor]) -> Float[Tensor, " B"]:
            refined = posterior.with_parameters(*point.chunk(2, dim=-1))
            codes = refined.mean + refined.stddev * noise
            with _nothing_dropped(decoder):
                scores: Tensor = functional_call(likelihood, dict(zip(names, weights, strict=False)), (codes, batch))
            kl: Tensor = kl_divergence(refined, prior.with_parameters(*weights[len(names) :]))
            return kl_weight * kl - scores.mean(dim=0)

        reached = descend(
            cost,
            torch.cat(posterior.parameters, dim=-1),
            self._noise(len(batch)),
            (*decoder.parameters(), *prior.parameters),
            self.learning_rate,
            self.momentum,
            self.clip_norm,
            self.growth,
        )
        mean, log_variance = reached.chunk(2, dim=-1)
        return DiagonalGaussian(mean, log_variance)

    def _noise(self, rows: int) -> Float[Tensor, "K S #B D"]:
        steps, draws, _, dimensions = self.noise.shape
        return self.noise.new_empty(steps, draws, rows, dimensions).normal_() if self.training else self.noise


class _Likelihood(nn.Module):
    """Codes and a batch to ``log p(x|z)``, all of it in ``forward``, where other weights can stand in."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, codes: Float[Tensor, "S B D"], batch: Batch) -> Float[Tensor, "S B"]:
        scores: Tensor = self.decoder(codes).log_prob(batch)
        return scores


@contextmanager
def _nothing_dropped(decoder: nn.Module) -> Iterator[None]:
    """Put all layers into evaluation mode but the recurrent ones.

    Those here drop nothing themselves, and on a GPU their backward pass exists in training mode alone.
    """
    modes = {module: module.training for module in decoder.modules()}
    try:
        for module in modes:
            module.training = isinstance(module, nn.RNNBase)
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
