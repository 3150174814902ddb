"""The discrepancy of drawn codes from the prior: Wasserstein autoencoders and InfoVAE."""

from jaxtyping import Float
from torch import Tensor

from latentia.errors import RecipeError
from latentia.functional.discrepancy import maximum_mean_discrepancy
from latentia.functional.schedule import Schedule
from latentia.objectives.base import Objective, code_of
from latentia.records import ModelRun
from latentia.shapes import NonNegativeFloat, Share


class MaximumMeanDiscrepancy(Objective):
    r"""A kernel two-sample statistic between the codes of a batch and as many draws from the prior.

    .. math:: \text{loss} = -\log p(x|z) + w(s) \big( (1 - \alpha) \mathrm{KL}(q(z|x) \| p(z))
        + (\alpha + \lambda - 1) \mathrm{MMD}^2(q(z), p(z)) \big)

    ``information`` of 1, ``alpha``, leaves the KL of single posteriors free and is the Wasserstein autoencoder with
    this penalty; between, it is InfoVAE. The loss is not a bound of ``-log p(x)``.

    Args:
        weight: Weight of the regulariser at each step.
        strength: ``lambda``.
        information: ``alpha``.

    Source: Tolstikhin et al., Wasserstein Auto-Encoders, 2018, equation 4; Zhao, Song and Ermon, InfoVAE, 2019,
    equation 6.
    """

    name, is_bound = "discrepancy", False

    def __init__(self, weight: Schedule, strength: NonNegativeFloat = 100.0, information: Share = 1.0) -> None:
        """Take the strengths of the two penalties."""
        super().__init__(weight)
        if information + strength < 1:
            raise RecipeError(
                f"strength {strength:g} with information {information:g} rewards a discrepancy",
                "set objective.strength to at least 1 less objective.information",
            )
        self.strength, self.information = strength, information

    def regulariser(self, run: ModelRun, kl: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Return the same discrepancy for each example, and its own share of the KL; 0 where no pair exists.

        Raises:
            RecipeError: For codes of one a step.
        """
        _, prior = code_of(run)
        codes = run.latents[0].sample[0]
        if len(codes) < 2:
            return (1 - self.information) * kl
        reference = prior.sample(codes.shape[:1])
        discrepancy = maximum_mean_discrepancy(codes, reference, 2 * prior.variance.sum())
        return (1 - self.information) * kl + (self.information + self.strength - 1) * discrepancy
