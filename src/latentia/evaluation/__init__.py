"""Valid numbers about a model: every one names its estimator and carries a standard error."""

from latentia.evaluation.aggregate import (
    active_units,
    aggregate_of,
    joint_gap,
    marginal_gap,
    mutual_information,
    reverse_marginal_gap,
)
from latentia.evaluation.annealed import AnnealedImportance
from latentia.evaluation.calibration import Calibration
from latentia.evaluation.code_use import CodeUse
from latentia.evaluation.defensive import DefensiveImportance
from latentia.evaluation.discriminator import DiscriminatorAccuracy
from latentia.evaluation.dominance import Dominance
from latentia.evaluation.factors import FactorRecovery
from latentia.evaluation.generalisation import Generalisation
from latentia.evaluation.holes import Holes
from latentia.evaluation.inference_gap import InferenceGap
from latentia.evaluation.information import Information
from latentia.evaluation.likelihood import Likelihood, importance_weighted_likelihood
from latentia.evaluation.mauve import Mauve
from latentia.evaluation.measure import Measure
from latentia.evaluation.neural import NeuralPerplexity
from latentia.evaluation.ngram import KneserNey
from latentia.evaluation.representation import Representation
from latentia.evaluation.smoothness import Smoothness
from latentia.evaluation.subject import Subject
from latentia.evaluation.suite import evaluate
from latentia.evaluation.word_deletion import WordDeletion

__all__ = [
    "AnnealedImportance",
    "Calibration",
    "CodeUse",
    "DefensiveImportance",
    "DiscriminatorAccuracy",
    "Dominance",
    "FactorRecovery",
    "Generalisation",
    "Holes",
    "InferenceGap",
    "Information",
    "KneserNey",
    "Likelihood",
    "Mauve",
    "Measure",
    "NeuralPerplexity",
    "Representation",
    "Smoothness",
    "Subject",
    "WordDeletion",
    "active_units",
    "aggregate_of",
    "evaluate",
    "importance_weighted_likelihood",
    "joint_gap",
    "marginal_gap",
    "mutual_information",
    "reverse_marginal_gap",
]
