"""The divergence of the mini-batch's aggregate posterior from the prior."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from latentia.distributions import CodeDistribution, DiagonalGaussian
from latentia.errors import RecipeError
from latentia.functional.aggregate import mean_log_mixture
from latentia.functional.schedule import Schedule
from latentia.objectives.base import Objective, code_of
from latentia.records import ModelRun
from latentia.shapes import NonNegativeInt, PositiveInt


class DensityGap(Objective):
    r"""The KL of a group's aggregate posterior from the prior, estimated with ``M`` draws an example.

    .. math::
        R = \frac{1}{M |b|} \sum_s \sum_i \Big[ \log \frac{1}{|b|} \sum_{k \in b} N(z_{si}; \mu_{ki}, \sigma^2_{ki})
            - \log p(z_{si}) \Big]

    is the marginal form; the joint form takes the product over dimensions inside the mixture, a different and
    stronger penalty. The joint form leaves at most ``log |b|`` nats unpenalised, the marginal form ``D log |b|``.
    A group of one gives the ordinary KL. The loss is not a bound of ``-log p(x)``.

    Batches of equal length make the aggregate one of sentences of that length.

    Args:
        weight: Weight of the gap at each step.
        form: ``marginal`` or ``joint``.
        draws: ``M``, draws of each posterior.
        aggregation_size: ``|b|``, posteriors in a group; 0 takes the whole batch. A last, smaller group is kept.

    Source: Zhang et al., Improving Variational Autoencoders with Density Gap-based Regularization, 2022,
    equations 9 and 11.
    """

    name, is_bound = "density_gap", False

    def __init__(
        self,
        weight: Schedule,
        form: Literal["marginal", "joint"] = "marginal",
        draws: PositiveInt = 32,
        aggregation_size: NonNegativeInt = 0,
    ) -> None:
        """Take the settings of the estimate."""
        super().__init__(weight)
        self.joint, self.draws, self.aggregation_size = form == "joint", draws, aggregation_size

    def regulariser(self, run: ModelRun, kl: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Return to each example the gap of its group.

        Raises:
            RecipeError: For codes of one a step, and for the marginal form where dimensions are not independent under
                the prior: on a sphere, and under a mixture.
        """
        posterior, prior = code_of(run)
        if not self.joint and not isinstance(posterior, DiagonalGaussian):
            raise RecipeError("the marginal density gap needs Gaussian posteriors", "set objective.form=joint")
        if not self.joint and not isinstance(prior, DiagonalGaussian):
            raise RecipeError(
                "the marginal density gap needs a prior of independent dimensions", "set objective.form=joint"
            )
        size = self.aggregation_size or len(run.batch)
        groups = zip(*(part.split(size) for part in posterior.parameters), strict=True)
        gaps = [self._gap(posterior.with_parameters(*group), prior).expand(len(group[0])) for group in groups]
        return torch.cat(gaps)

    def _gap(self, group: CodeDistribution, prior: CodeDistribution) -> Float[Tensor, ""]:
        draws = group.rsample(torch.Size([self.draws])).flatten(0, 1)
        if isinstance(group, DiagonalGaussian):
            aggregate = mean_log_mixture(draws, group.location, group.log_variance, self.joint).sum()
        else:
            components = group.component_log_prob(draws.double())
            aggregate = (components.logsumexp(dim=1) - math.log(components.shape[1])).mean().to(draws.dtype)
        return aggregate - prior.log_prob(draws).mean()
