"""An autoregressive network that learns what the codes of the steps are like."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from latentia.distributions import DiagonalGaussian
from latentia.functional.autoregression import before
from latentia.functional.sequence import sum_where
from latentia.nn import GaussianHead
from latentia.records import Batch, Latent
from latentia.shapes import PositiveInt


class FittedPrior(nn.Module):
    r"""An autoregressive density fitted to draws of the posteriors of all sequences, to draw new codes from.

    .. math:: r(z) = \prod_t N(z_t; m(h_t), s^2(h_t)), \quad h_t = \mathrm{LSTM}(z_{t-1}, h_{t-1}), \quad z_0 = 0

    The codes that it is fitted to have no gradient, so that it follows them and they do not follow it; no bound holds
    it. The posteriors together are not the prior that they pay for, since their rate is committed, and the texts of
    codes drawn from that prior suffer where they differ.

    Args:
        latent_dim: Channels of a step's code, ``D``.
        features: Width of the recurrence.

    Source: Razavi et al., Preventing Posterior Collapse with delta-VAEs, 2019, section 2.4 (auxiliary prior).
    """

    own_costs = ("fitted_prior",)

    def __init__(self, latent_dim: PositiveInt, features: PositiveInt = 128) -> None:
        """Build the layers."""
        super().__init__()
        self.recurrence = nn.LSTM(latent_dim, features, batch_first=True)
        self.conditional = GaussianHead(features, latent_dim)

    def forward(self, latent: Latent, batch: Batch) -> Mapping[str, Float[Tensor, "S B"]]:
        r"""Return the cost of fitting, :math:`-\log r(z)` of the codes of each sequence, in nats."""
        return {"fitted_prior": -self.log_prob(latent.sample.detach(), batch.mask)}

    def log_prob(self, codes: Float[Tensor, "S B T D"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "S B"]:
        """Log-density of the codes of each sequence, in nats."""
        states, _ = self.recurrence(before(codes).flatten(0, 1))
        log_density = self.conditional(states.flatten(0, 1)).log_prob(codes.flatten(0, 2))
        return sum_where(log_density.view(codes.shape[:3]), mask)

    @torch.no_grad()
    def sample(self, count: int, steps: int) -> Float[Tensor, "count steps D"]:
        """Draw codes of so many steps."""
        code = self.conditional.parameters_of.weight.new_zeros(count, self.recurrence.input_size)
        state = None
        drawn = []
        for _ in range(steps):
            features, state = self.recurrence(code[:, None], state)
            conditional: DiagonalGaussian = self.conditional(features[:, 0])
            code = conditional.sample()
            drawn.append(code)
        return torch.stack(drawn, dim=1)
