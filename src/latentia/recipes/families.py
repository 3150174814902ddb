"""Which classes a recipe, or the command line, may name: the public names of each family, and nothing else."""

from collections.abc import Mapping
from types import ModuleType

from latentia import (
    auxiliaries,
    data,
    decoders,
    decoding,
    encoders,
    evaluation,
    models,
    nn,
    objectives,
    priors,
    training,
)
from latentia.data import Batching, TokenizerKind
from latentia.functional import schedule
from latentia.functional.schedule import Schedule

FAMILIES: Mapping[type, ModuleType] = {
    models.TextModel: models,
    encoders.Encoder: encoders,
    encoders.Refinement: encoders,
    encoders.StepwiseEncoder: encoders,
    decoders.Decoder: decoders,
    decoding.Strategy: decoding,
    priors.Prior: priors,
    priors.StepwisePrior: priors,
    auxiliaries.Auxiliary: auxiliaries,
    auxiliaries.WordMask: auxiliaries,
    objectives.Objective: objectives,
    nn.Noise: nn,
    nn.Pooling: nn,
    nn.PosteriorHead: nn,
    Schedule: schedule,
    training.Optimizer: training,
    training.LearningRate: training,
    training.StepPlan: training,
    Batching: data,
    TokenizerKind: data,
    evaluation.Measure: evaluation,
}
"""Abstract base of each family, and the module whose ``__all__`` is its registry."""


def members(family: type) -> dict[str, type]:
    """Return the classes of a family by name.

    >>> sorted(members(Schedule))
    ['Constant', 'Cyclical', 'Linear', 'Ramp', 'Sigmoid']
    """
    module = FAMILIES[family]
    named = {name: getattr(module, name) for name in module.__all__}
    return {name: kind for name, kind in named.items() if is_member(kind, family)}


def is_member(kind: object, family: type) -> bool:
    """Tell whether an object is a concrete class of a family."""
    return isinstance(kind, type) and issubclass(kind, family) and kind is not family
