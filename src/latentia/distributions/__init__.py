"""Distributions, each in one file with its divergences registered beside it."""

from latentia.distributions.autoregressive_gaussian import AutoregressiveGaussian
from latentia.distributions.base import CodeDistribution, concatenated, information_of_each
from latentia.distributions.diagonal_gaussian import DiagonalGaussian, kl_per_dimension
from latentia.distributions.gaussian_mixture import GaussianMixture
from latentia.distributions.hyperspherical_uniform import HypersphericalUniform
from latentia.distributions.power_spherical import PowerSpherical
from latentia.distributions.shared_noise_gaussian import SharedNoiseGaussian
from latentia.distributions.stepwise_gaussian import StepwiseGaussian, units_of
from latentia.distributions.token_sequence import AutoregressiveNetwork, TokenSequence
from latentia.distributions.von_mises_fisher import VonMisesFisher

__all__ = [
    "AutoregressiveGaussian",
    "AutoregressiveNetwork",
    "CodeDistribution",
    "DiagonalGaussian",
    "GaussianMixture",
    "HypersphericalUniform",
    "PowerSpherical",
    "SharedNoiseGaussian",
    "StepwiseGaussian",
    "TokenSequence",
    "VonMisesFisher",
    "concatenated",
    "information_of_each",
    "kl_per_dimension",
    "units_of",
]
