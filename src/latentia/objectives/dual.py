"""The KL of a posterior that can only be drawn from, estimated by a critic."""

from jaxtyping import Float
from torch import Tensor

from latentia.errors import RecipeError
from latentia.objectives.base import Objective
from latentia.records import ModelRun


class DualEstimate(Objective):
    r"""A critic's estimate of the KL in place of the KL, :math:`-\log p(x|z) + w(s) \, \widehat{\mathrm{KL}}`.

    The model's auxiliary must be a DualCritic. The estimate lies below the KL unless the critic is perfect, so that the
    loss is no bound of ``-log p(x)``; the reported bound has the true KL where the posterior has a density.

    Source: Fang et al., Implicit Deep Latent Variable Models for Text Generation, 2019, equations 5 to 9.
    """

    name, is_bound, of_auxiliary = "dual_kl", False, True

    def regulariser(self, run: ModelRun, kl: Float[Tensor, " B"]) -> Float[Tensor, "..."]:
        """Complain: the critic's cost takes this place.

        Raises:
            RecipeError: Always; it is asked only where there is no critic.
        """
        raise RecipeError("objective DualEstimate has no critic", "set model.auxiliary.kind=DualCritic")
