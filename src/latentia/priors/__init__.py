"""Priors over the latent space; each says whether its density is exact or a lower bound."""

from latentia.priors.autoregressive import AutoregressiveNormal
from latentia.priors.base import Prior, StepwisePrior
from latentia.priors.learned_mixture import LearnedMixture
from latentia.priors.standard_normal import StandardNormal
from latentia.priors.uniform_sphere import UniformSphere

__all__ = ["AutoregressiveNormal", "LearnedMixture", "Prior", "StandardNormal", "StepwisePrior", "UniformSphere"]
