"""Free bits: nats of KL that cost nothing. Three published algorithms that share the name."""

from jaxtyping import Float
from torch import Tensor

from latentia.distributions import DiagonalGaussian, GaussianMixture, kl_per_dimension
from latentia.errors import RecipeError
from latentia.functional.schedule import Schedule
from latentia.objectives.base import Objective
from latentia.records import ModelRun
from latentia.shapes import NonNegativeFloat


class FreeBitsDimension(Objective):
    r"""A floor for the batch mean of each dimension, :math:`\sum_i \max(\lambda, \tfrac1B \sum_b \mathrm{KL}_{bi})`.

    Source: Kingma et al., Improving Variational Inference with Inverse Autoregressive Flow, 2016, equation 15.
    """

    name, is_bound = "free_bits", True

    def __init__(self, weight: Schedule, nats: NonNegativeFloat = 0.25) -> None:
        """Take the free nats of one dimension."""
        super().__init__(weight)
        self.nats = nats

    def regulariser(self, run: ModelRun, kl: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Return the same cost for each example of the batch."""
        return _per_dimension(run).mean(dim=0).clamp(min=self.nats).sum().expand_as(kl)


class FreeBitsExample(Objective):
    r"""A floor for each dimension of each example, :math:`\sum_i \max(\lambda, \mathrm{KL}_{bi})`.

    The mask form of Li et al. (A Surprisingly Effective Fix for Deep Latent Variable Modeling of Text, 2019)
    drops the terms below the floor and has the same gradient. Their target rate ``L`` is ``lambda = L / D``.
    """

    name, is_bound = "free_bits", True

    def __init__(self, weight: Schedule, nats: NonNegativeFloat = 0.25) -> None:
        """Take the free nats of one dimension."""
        super().__init__(weight)
        self.nats = nats

    def regulariser(self, run: ModelRun, kl: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Return the cost of each example."""
        return _per_dimension(run).clamp(min=self.nats).sum(dim=-1)


class FreeBitsTotal(Objective):
    r"""A floor for the whole code of each example, :math:`\max(\lambda, \mathrm{KL}_b)`.

    Source: the total-KL threshold of Pelsmaeker and Aziz, Effective Estimation of Deep Generative Language
    Models, 2020, section 3, as used by LangVAE with 2 nats.
    """

    name, is_bound = "free_bits", True

    def __init__(self, weight: Schedule, nats: NonNegativeFloat = 8.0) -> None:
        """Take the free nats of a whole code."""
        super().__init__(weight)
        self.nats = nats

    def regulariser(self, run: ModelRun, kl: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Return the cost of each example.

        Raises:
            RecipeError: Under a mixture, whose KL is known from draws: the mean of a floor of draws is above the floor.
        """
        if any(isinstance(latent.prior, GaussianMixture) for latent in run.latents):
            raise RecipeError("free bits need a KL in closed form", "set model.prior.kind=StandardNormal")
        return kl.clamp(min=self.nats)


def _per_dimension(run: ModelRun) -> Float[Tensor, "B D"]:
    """KL of each dimension of the only latent variable."""
    (latent,) = run.latents
    posterior, prior = latent.posterior, latent.prior
    if not isinstance(posterior, DiagonalGaussian) or not isinstance(prior, DiagonalGaussian):
        raise RecipeError(
            "free bits a dimension need Gaussian posteriors and a Gaussian prior",
            "set objective.kind=FreeBitsTotal, or model.prior.kind=StandardNormal",
        )
    return kl_per_dimension(posterior, prior)
