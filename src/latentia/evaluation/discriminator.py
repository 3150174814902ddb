"""Whether a model's own discriminator tells its codes from draws of the prior."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentia.auxiliaries import Adversary
from latentia.evaluation.estimates import average
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.subject import ROWS_AT_A_TIME, Advance, Subject


class DiscriminatorAccuracy(Measure):
    r"""Share of codes and of draws from the prior that the discriminator tells right, and the moments of the codes.

    .. math::
        \tfrac12 \big( P_{z \sim q}[C(z) < \tfrac12] + P_{y \sim p}[C(y) \ge \tfrac12] \big)

    of one code and one draw a held-out sequence. At 1/2 it tells nothing, whether because the aggregate posterior is
    the prior or because the discriminator is weak: the mean and the variance of each dimension of the codes, 0 and 1
    under a standard normal prior, say which. A standard error is that of the mean.

    Source: Makhzani et al., Adversarial Autoencoders, 2016, section 2.
    """

    def unfit(self, subject: Subject) -> str:
        """Only adversarial autoencoders have a discriminator."""
        return "" if isinstance(subject.model.auxiliary, Adversary) else "the model has no discriminator of its codes"

    @torch.no_grad()
    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Show the discriminator both."""
        with torch.random.fork_rng():
            torch.manual_seed(subject.seed)
            parts = []
            for batch in subject.held_out.batches(ROWS_AT_A_TIME):
                latent = subject.model.draw(batch)
                parts.append((latent.sample[0], latent.prior.sample(torch.Size([len(batch)]))))
                advance(len(batch))
        codes, draws = map(torch.cat, zip(*parts, strict=True))
        of_prior = partial(_taken_for_the_prior, subject.model.get_submodule("auxiliary.discriminator"))
        return {
            "sequences": len(codes),
            "accuracy": average(0.5 * (1 - of_prior(codes) + of_prior(draws))),
            "means": [average(each) for each in codes.double().T],
            "variances": codes.double().var(dim=0).tolist(),
        }

    def lines(self, result: Result) -> Sequence[Line]:
        """What it tells, and the dimensions that are farthest from the prior."""
        farthest = max(result["means"], key=lambda mean: abs(mean["value"]))
        range_of_variances = f"{min(result['variances']):.3f} to {max(result['variances']):.3f}"
        note = f"; {result['sequences']:,} codes and as many draws, 0.5 tells nothing"
        return [
            line("codes and draws of the prior that the discriminator tells right", result["accuracy"], note),
            line("mean of the codes in the dimension where it is farthest from 0", farthest),
            ("variance of the codes, of all dimensions", range_of_variances, "1 under a standard normal prior"),
        ]


def _taken_for_the_prior(discriminator: nn.Module, codes: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
    scores: Tensor = discriminator(codes)
    return (scores[:, 0] >= 0).double()
