"""Recognition: networks from an observation to its posterior, and what refines what they return."""

from latentia.encoders.anticausal import AnticausalLSTMEncoder
from latentia.encoders.base import Encoder, StepwiseEncoder
from latentia.encoders.lstm import LSTMEncoder
from latentia.encoders.refinement import GradientRefinement, Refinement, Unrefined

__all__ = [
    "AnticausalLSTMEncoder",
    "Encoder",
    "GradientRefinement",
    "LSTMEncoder",
    "Refinement",
    "StepwiseEncoder",
    "Unrefined",
]
