"""Costs of a model's pass, per example and in nats."""

from latentia.objectives.base import Objective
from latentia.objectives.density_gap import DensityGap
from latentia.objectives.discrepancy import MaximumMeanDiscrepancy
from latentia.objectives.dual import DualEstimate
from latentia.objectives.elbo import ELBO
from latentia.objectives.free_bits import FreeBitsDimension, FreeBitsExample, FreeBitsTotal
from latentia.objectives.log_variance import LogVariancePenalty

__all__ = [
    "ELBO",
    "DensityGap",
    "DualEstimate",
    "FreeBitsDimension",
    "FreeBitsExample",
    "FreeBitsTotal",
    "LogVariancePenalty",
    "MaximumMeanDiscrepancy",
    "Objective",
]
