"""What the KL of a model is made of: information, dependence of the dimensions, and their gaps to the prior."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from latentia.distributions import CodeDistribution, DiagonalGaussian
from latentia.evaluation.aggregate import single_dimensions
from latentia.functional.aggregate import marginal_log_density_at
from latentia.objectives.base import kl_of_latent
from latentia.records import Latent

Terms = dict[str, Float64[Tensor, " N"]]


@torch.no_grad()
def surgery(posteriors: CodeDistribution, prior: CodeDistribution, draws: int) -> Terms:
    r"""Split the KL of each sequence, in nats.

    .. math::
        \mathbb E_x \mathrm{KL}(q(z|x) \| p(z)) = \underbrace{\mathbb E \log \tfrac{q(z|x)}{q(z)}}_{\text{information}}
        + \underbrace{\mathbb E \log \tfrac{q(z)}{\prod_i q(z_i)}}_{\text{total correlation}}
        + \underbrace{\mathbb E \sum_i \log \tfrac{q(z_i)}{p(z_i)}}_{\text{dimension-wise KL}}
        + \underbrace{\mathbb E \log \tfrac{\prod_i p(z_i)}{p(z)}}_{0 \text{ where } p \text{ factorises}}

    ``q(z)`` is the equal mixture of the posteriors given, the one that a code was drawn from included, in all terms
    alike: they then are exact properties of that mixture, and draws alone are their error. Of the texts that these
    stand for, the information is a lower bound, which cannot pass ``log N``, and what it lacks is in the total
    correlation. ``information_without_own`` leaves the own component out, and is an upper bound, as the KL is.

    ``remainder`` is the KL, in closed form if it has one, less the three terms: noise with mean 0 where the prior
    factorises. On a sphere dimensions are not independent under any prior, and there are ``kl`` and information alone.

    Args:
        posteriors: One row a sequence, two or more.
        prior: Of one code.
        draws: Codes drawn from each posterior.

    Source: Hoffman and Johnson, ELBO Surgery, 2016; Chen et al., Isolating Sources of Disentanglement in Variational
    Autoencoders, 2018, equation 2; Poole et al., On Variational Bounds of Mutual Information, 2019, section 2, for the
    two bounds.
    """
    codes = posteriors.sample(torch.Size([draws]))
    flat, rows = codes.flatten(0, 1), len(posteriors.centre)
    own = posteriors.log_prob(codes.double()).flatten()
    mixture = posteriors.mixture_log_prob(flat)
    others = posteriors.mixture_of_others_log_prob(flat, torch.arange(rows, device=flat.device).repeat(draws))
    terms = {"information": own - mixture, "information_without_own": own - others}
    single, components = single_dimensions(posteriors), single_dimensions(prior)
    if isinstance(single, DiagonalGaussian) and isinstance(components, DiagonalGaussian):
        terms |= _of_dimensions(flat, mixture, single, components)
    averages = {name: values.view(draws, rows).mean(dim=0) for name, values in terms.items()}
    return _with_kl(averages, kl_of_latent(Latent("z", codes, posteriors, prior)).double())


def _of_dimensions(
    codes: Float[Tensor, "P D"], mixture: Float64[Tensor, " P"], single: DiagonalGaussian, components: DiagonalGaussian
) -> Terms:
    aggregate, prior = (
        marginal_log_density_at(codes, each.mean, each.log_variance).sum(dim=1) for each in (single, components)
    )
    return {"total_correlation": mixture - aggregate, "dimension_wise_kl": aggregate - prior}


def _with_kl(terms: Terms, kl: Float64[Tensor, " N"]) -> Terms:
    terms |= {"kl": kl, "aggregate_kl": kl - terms["information"]}
    if "total_correlation" in terms:
        terms["remainder"] = terms["aggregate_kl"] - terms["total_correlation"] - terms["dimension_wise_kl"]
    return terms
