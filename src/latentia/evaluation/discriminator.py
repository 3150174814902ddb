"""Whether a model's own discriminator tells its codes from draws of the prior."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from latentia.auxiliaries import Adversary
from latentia.evaluation.estimates import average, variance
from latentia.evaluation.measure import Line, Measure, Result, line
from latentia.evaluation.subject import ROWS_AT_A_TIME, Advance, Subject


class DiscriminatorAccuracy(Measure):
    r"""Share of codes and of draws from the prior that the discriminator tells right, and the moments of the codes.

    .. math::
        \tfrac12 \big( P_{z \sim q}[C(z) < \tfrac12] + P_{y \sim p}[C(y) \ge \tfrac12] \big)

    of one code and one draw a held-out sequence, with ``C`` the probability, as the discriminator sees it, that a code
    is the prior's, ``q`` the aggregate posterior and ``p`` the prior. At 1/2 it tells nothing, be it that the two are
    one or that it is weak. Means and variances of the codes off those of the prior, 0 and 1 of a standard normal one,
    say that it is weak; at those of the prior they leave it open, and the gaps of every evaluation say more.

    Source: ours; the discriminator is that of Makhzani et al., Adversarial Autoencoders, 2016, section 2.
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
        discriminator = subject.model.get_submodule("auxiliary.discriminator")
        of_codes, of_draws = ((discriminator(each)[:, 0] >= 0).double() for each in (codes, draws))
        return {
            "sequences": len(codes),
            "accuracy": average(0.5 * (1 - of_codes + of_draws)),
            "means": [average(each) for each in codes.double().T],
            "variances": [variance(each) for each in codes.double().T],
        }

    def lines(self, result: Result) -> Sequence[Line]:
        """What it tells, and the dimensions that are farthest from the prior."""
        farthest = max(result["means"], key=lambda mean: abs(mean["value"]))
        variances = [each["value"] for each in result["variances"]]
        note = f"; {result['sequences']:,} codes and as many draws, 0.5 tells nothing"
        return [
            line("codes and draws of the prior that the discriminator tells right", result["accuracy"], note),
            line("mean of the codes in the dimension where it is farthest from 0", farthest),
            (
                "variance of the codes, of all dimensions",
                f"{min(variances):.3f} to {max(variances):.3f}",
                "1 under a standard normal prior",
            ),
        ]
