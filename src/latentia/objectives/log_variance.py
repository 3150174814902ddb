"""A penalty that keeps stochastic encoders from turning deterministic."""

from jaxtyping import Float
from torch import Tensor

from latentia.distributions import DiagonalGaussian
from latentia.errors import RecipeError
from latentia.functional.schedule import Schedule
from latentia.objectives.base import Objective
from latentia.records import ModelRun
from latentia.shapes import NonNegativeFloat


class LogVariancePenalty(Objective):
    r"""The distance of posterior variances from 1, :math:`\lambda \sum_i |\log \sigma_i^2|`, in place of the KL.

    Autoencoders that are held to the prior by their aggregate alone drive single variances to 0; with the Adversary
    this is the latent-noised adversarial autoencoder. The loss is not a bound of ``-log p(x)``.

    Source: Rubenstein, Schoelkopf and Tolstikhin, On the Latent Space of Wasserstein Auto-Encoders, 2018, section 4;
    Shen et al., Educating Text Autoencoders, 2020 (LAAE).
    """

    name, is_bound = "log_variance", False

    def __init__(self, weight: Schedule, strength: NonNegativeFloat = 0.01) -> None:
        """Take the strength, ``lambda``."""
        super().__init__(weight)
        self.strength = strength

    def regulariser(self, run: ModelRun, kl: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Return the penalty of each example.

        Raises:
            RecipeError: For posteriors that have no variance of each dimension.
        """
        (latent,) = run.latents
        if not isinstance(latent.posterior, DiagonalGaussian):
            raise RecipeError("the log-variance penalty needs Gaussian posteriors", "take another objective")
        return self.strength * latent.posterior.log_variance.abs().sum(dim=-1)
