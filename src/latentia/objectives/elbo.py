"""The evidence lower bound."""

from jaxtyping import Float
from torch import Tensor

from latentia.functional.schedule import Schedule
from latentia.objectives.base import Objective
from latentia.records import ModelRun
from latentia.shapes import NonNegativeFloat


class ELBO(Objective):
    r"""The negative ELBO, :math:`-\log p(x|z) + w(s) \, \beta \, \mathrm{KL}(q(z|x) \| p(z))`.

    With ``beta`` other than 1 the loss is that of Higgins et al. (beta-VAE, 2017, equation 4) and, below 1,
    no longer a bound; the reported bound always has weight 1.

    Source: Kingma and Welling, Auto-Encoding Variational Bayes, 2014, equation 3.
    """

    name = "kl"

    def __init__(self, weight: Schedule, beta: NonNegativeFloat = 1.0) -> None:
        """Take the schedule and the final weight it multiplies."""
        super().__init__(weight)
        self.beta = beta
        self.is_bound = beta >= 1

    def regulariser(self, run: ModelRun, kl: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Return the KL."""
        return kl
