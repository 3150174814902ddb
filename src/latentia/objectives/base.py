"""What every objective does."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import kl_divergence

from latentia.distributions import CodeDistribution, DiagonalGaussian, GaussianMixture, SharedNoiseGaussian
from latentia.errors import RecipeError
from latentia.functional.schedule import Schedule
from latentia.records import Latent, ModelRun, Terms


class Objective(ABC):
    r"""A reconstruction cost plus a weighted regulariser of the posterior.

    .. math::
        \text{loss} = -\log p(x|z) + w(s) \, \beta \, R, \qquad
        \text{bound} = -\log p(x|z) + \mathrm{KL}(q(z|x) \| p(z))

    The bound is the negative ELBO with the true KL at weight 1, whatever is trained. Auxiliary costs of the pass are
    added to the loss alone. An objective ``of_auxiliary`` takes the one that has its name as its regulariser.

    An objective is written by naming its ``regulariser`` and saying whether the loss at ``w = 1`` is an upper
    bound of ``-log p(x)`` (``is_bound``).
    """

    is_bound: bool
    name: str
    beta: float = 1.0
    of_auxiliary = False

    def __init__(self, weight: Schedule) -> None:
        """Take the weight of the regulariser at each step."""
        self.weight = weight

    @abstractmethod
    def regulariser(self, run: ModelRun, kl: Float[Tensor, " B"]) -> Float[Tensor, "..."]:
        """Return the cost ``[B]`` or ``[S, B]`` that stands in for the KL, in nats; ``kl`` is the true one."""

    def weight_at(self, step: int) -> float:
        """Return the weight of the regulariser in the loss of a step."""
        return self.beta * self.weight(step)

    def __call__(self, run: ModelRun, step: int) -> Terms:
        """Return the costs of a pass at an optimiser step."""
        kl = sum_of_kl(run)
        reconstruction, auxiliary = -run.log_likelihood, dict(run.auxiliary())
        apart = {name: auxiliary.pop(name) for name in run.apart}
        estimated = self.of_auxiliary and self.name in auxiliary
        regulariser = auxiliary.pop(self.name) if estimated else self.regulariser(run, kl)
        weight = self.weight_at(step)
        return Terms(
            loss=reconstruction + weight * regulariser + sum(auxiliary.values()),
            bound=reconstruction + kl,
            parts={"reconstruction": reconstruction, "kl": kl, self.name: regulariser, **auxiliary, **apart},
            weights={"reconstruction": 1.0, self.name: weight, **dict.fromkeys(auxiliary, 1.0)},
            apart=sum(apart.values(), start=torch.zeros_like(reconstruction)),
        )


def code_of(run: ModelRun) -> tuple[CodeDistribution, CodeDistribution]:
    """Return posterior and prior of the only code of each sequence.

    Raises:
        RecipeError: If there is none, as for a code a step: sequences of different length then share no aggregate.
    """
    (latent,) = run.latents
    if not isinstance(latent.posterior, CodeDistribution) or not isinstance(latent.prior, CodeDistribution):
        raise RecipeError("the objective needs one continuous code a sequence", "set objective.kind=ELBO")
    return latent.posterior, latent.prior


def sum_of_kl(run: ModelRun) -> Float[Tensor, " B"]:
    """True KL of each example, summed over the latent variables, in nats.

    In closed form where there is one; from a mixture, the closed entropy and the average over the draws of the rest.
    """
    total: Tensor = sum(
        (kl_of_latent(latent) for latent in run.latents),
        start=run.log_likelihood.new_zeros(len(run.batch)),
    )
    return total


def kl_of_latent(latent: Latent) -> Float[Tensor, " B"]:
    """True KL of one latent variable for each example, in nats; see :func:`sum_of_kl`.

    Raises:
        RecipeError: If posterior and prior do not live in one space.
    """
    posterior, prior = latent.posterior, latent.prior
    if isinstance(prior, GaussianMixture) and isinstance(posterior, DiagonalGaussian | SharedNoiseGaussian):
        return -posterior.entropy() - prior.log_prob(latent.sample).mean(dim=0)
    try:
        return kl_divergence(posterior, prior)
    except NotImplementedError:
        kinds = f"{type(posterior).__name__} and a prior {type(prior).__name__}"
        raise RecipeError(
            f"a posterior {kinds} have no KL", "set model.prior to one of the posterior's space"
        ) from None
