"""Features on a common scale, by the averages of past batches."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentia.shapes import PositiveInt

MOMENTUM = 0.05
"""Weight of the last batch in the averages.

Some twenty batches make one, which have all lengths where each has one; averages of many more lag behind features that
move fast, and codes are then not where the averages say.
"""

EPSILON = 1e-8
"""Added to variances: features of a fresh network are within a few thousandths of each other."""

SCALES, SHIFTS = 3.0, 5.0
"""How far the averages may differ from a batch's statistics, as factor and in deviations, before they are held back."""


class CorpusNormalisation(nn.Module):
    r"""Features less their mean over their deviation, both of the corpus, that is averages over past batches.

    Averages of the first two moments, so that the variance is that within batches and between them: where the batches
    are of one length each, the two differ. Gradients flow as through the statistics of the batch (Ioffe, Batch
    Renormalization, 2017, section 3). In evaluation mode nothing moves.
    """

    first: Tensor
    second: Tensor
    batches: Tensor

    def __init__(self, features: PositiveInt) -> None:
        """Take the number of features."""
        super().__init__()
        self.register_buffer("first", torch.zeros(features))
        self.register_buffer("second", torch.zeros(features))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    def forward(self, values: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Return the normalised features; those of a batch of one are not counted."""
        if not self.training or len(values) == 1:
            mean, variance = self.statistics()
            return (values - mean) * (variance + EPSILON).rsqrt()
        self._count(values.detach())
        of_batch = nn.functional.batch_norm(values, None, None, training=True, eps=EPSILON)
        return normalised_by_averages(of_batch, values.detach(), *self.statistics(), EPSILON)

    def statistics(self) -> tuple[Float[Tensor, " D"], Float[Tensor, " D"]]:
        """Return mean and variance, as if the averages had not begun at zero; before any batch, 0 and 1."""
        share = (1 - (1 - MOMENTUM) ** self.batches.double()).float()
        mean = torch.where(self.batches > 0, self.first / share, 0.0)
        variance = torch.where(self.batches > 0, (self.second / share - mean.square()).clamp(min=0.0), 1.0)
        return mean, variance

    def _count(self, values: Float[Tensor, "B D"]) -> None:
        self.first.lerp_(values.mean(dim=0), MOMENTUM)
        self.second.lerp_(values.square().mean(dim=0), MOMENTUM)
        self.batches += 1


def normalised_by_averages(
    normalised: Float[Tensor, "B D"],
    values: Float[Tensor, "B D"],
    mean: Float[Tensor, " D"],
    variance: Float[Tensor, " D"],
    epsilon: float,
) -> Float[Tensor, "B D"]:
    """Undo the normalisation by a batch's statistics and normalise by averages, without new gradients.

    Args:
        normalised: Features normalised by the statistics of their batch.
        values: The features, without gradients.
        mean: Averages that take the place of the batch's.
        variance: The same of the variance.
        epsilon: What the batch's variance had added.
    """
    variance, of_batch = variance + epsilon, values.var(dim=0, unbiased=False) + epsilon
    scale = (of_batch / variance).sqrt().clamp(1 / SCALES, SCALES)
    shift = ((values.mean(dim=0) - mean) / variance.sqrt()).clamp(-SHIFTS, SHIFTS)
    return normalised * scale + shift
