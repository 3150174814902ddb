"""Valid numbers about a model: every one names its estimator and carries a standard error."""

from latentia.evaluation.aggregate import (
    active_units,
    aggregate_of,
    joint_gap,
    marginal_gap,
    mutual_information,
    reverse_marginal_gap,
)
from latentia.evaluation.holes import Holes
from latentia.evaluation.information import Information
from latentia.evaluation.likelihood import Likelihood, importance_weighted_likelihood
from latentia.evaluation.measure import Measure
from latentia.evaluation.ngram import KneserNey
from latentia.evaluation.subject import Subject
from latentia.evaluation.suite import evaluate

__all__ = [
    "Holes",
    "Information",
    "KneserNey",
    "Likelihood",
    "Measure",
    "Subject",
    "active_units",
    "aggregate_of",
    "evaluate",
    "importance_weighted_likelihood",
    "joint_gap",
    "marginal_gap",
    "mutual_information",
    "reverse_marginal_gap",
]
